"""The read side of optimisation: what its pages show, from rows."""
