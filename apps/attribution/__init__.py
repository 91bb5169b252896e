"""Touchpoints, conversions and spend: who gets the credit, and what caused what.

The mathematics is in `maths`; the verbs store what arrived, order it into journeys and keep the credit.
What is done about the answer (budgets, messages, rewards) belongs to the floors above.
"""
