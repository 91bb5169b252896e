"""The studio systems of photographers and other wedding suppliers."""
