"""The fast door of tracking: a small ASGI application in front of Django that stores requests in groups.

It speaks the four tracking routes for callers with an API key, and hands everything else to Django, whose
views stay the documented contract. Nothing is decided here: bodies, parsing, limits and storing are the
verbs that those views call too.
"""
