"""Maths of the doors: sketches of distributions, trends. No Django."""
