"""How much money each campaign should get: one question (problem), one answer (solve), always with a certificate.

Curves say what a budget earns. Power curves without anything around them are solved by a safeguarded Newton
(power, draws); groups, a cost of moving and S-shaped curves by prices that are nested like the groups (nested,
prices), the latter inside a search by boxes (boxes). Targets, periods and the frontier ask the same question
several times. What it all rests on: docs/models/allocation.md.
"""
