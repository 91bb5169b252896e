"""Journeys: people are led step by step, each step once, from what brought them in to the end or the goal.

graph.py says what a journey is made of and what stands against a draft; sources.py what can be heard of
people. entering.py lets people in, hearing.py brings news to those in flight, moving.py moves them, set by
set, each batch with its effects in one transaction. drafts.py and switches.py are the verbs of colleagues.
"""
