"""The one way to call anything outside: deadline, bulkhead, retries, breaker, limits, and what became of it.

policy.py puts the parts together; each part stands in a file of its own and takes its clock, its sleep and
its dice from the caller.
"""
