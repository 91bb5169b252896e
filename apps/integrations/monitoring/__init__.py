"""Figures that any app registers, kept at four resolutions; rules over them; incidents, and who is woken by
them.
"""
