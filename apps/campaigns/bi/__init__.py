"""Business figures: what marketing costs, what it brings, and how sure that is."""
