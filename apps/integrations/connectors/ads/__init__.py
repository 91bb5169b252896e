"""Ad platforms: campaigns, budgets, bids and what they cost."""
