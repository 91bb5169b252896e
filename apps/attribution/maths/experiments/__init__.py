"""Experiments: who gets which variant, and what may be said of the outcome.

Sums of each arm (arms) become estimates (proportions, means, clusters, cuped); three readings judge them:
`group_sequential.prove_lift`, `always_valid.watch`, `thompson.send_the_winner`. Each first checks the sample
ratio, then whether there is enough to judge at all, and names no winner otherwise. The first arm of a list is
the control. What each reading promises, with sources: docs/models/experiments.md.
"""
