"""Language models behind the common HTTP interface."""
