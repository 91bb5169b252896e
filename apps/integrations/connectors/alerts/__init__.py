"""Ways to wake somebody."""
