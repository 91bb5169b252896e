"""How much money each campaign should get: one question (problem), one answer (solve), with a certificate.

Curves say what a budget earns. Power curves with bounds alone are solved by a safeguarded Newton (power,
draws); groups, a cost of moving and S-shaped curves by prices nested like the groups (nested, prices), the
latter inside a search by boxes (boxes). Targets, periods and the frontier ask it several times. What
it rests on: docs/models/allocation.md.
"""
