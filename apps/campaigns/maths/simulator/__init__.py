"""Ad accounts whose true response curves are known, so that every estimate of them can be judged.

Pure and seeded; knows no model of this house. What it draws: power-law or S-shaped response, weekdays and
slow demand of the whole account and of each campaign, spend that follows demand (confounding), carry-over,
orders of different sizes. What it does not: auctions, platforms' learning phases, or people.
"""
