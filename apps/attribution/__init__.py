"""Touchpoints, conversions and spend live here, with the models that say which touch earned what.

The mathematics is in `maths`; the verbs store what arrived, order it into journeys and keep the computed credit.
What is done about the answer (budgets, messages, rewards) belongs to the floors above.
"""
