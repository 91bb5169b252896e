"""Server-side conversions: what was sold, told to the platforms that sent the buyer."""
