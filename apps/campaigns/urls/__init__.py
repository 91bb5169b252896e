"""Addresses: budgets, messages, and what recipients follow."""
