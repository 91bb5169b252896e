"""The tests' own way to empty the tables after a test whose transactions committed."""
