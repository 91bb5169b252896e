"""The mathematics of credit: arrays in, frozen results out, no Django and no database."""
