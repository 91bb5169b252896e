"""Arrays and numbers in, frozen dataclasses out: no database, no clock, no network."""
