"""Floor 1: the doors to the outside. It knows services and what can go wrong with them, not marketing.

Every call to a service goes through resilience/ and leaves by http.py; what must not be lost waits as a Call
in the outbox. What a conversion, a campaign or a customer is, is known upstairs.
"""
