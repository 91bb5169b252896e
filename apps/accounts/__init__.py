"""Who you are, what you may do, and what happened.

Workspaces, users, keys, people and their consent live here, with the audit log, the event outbox and the
jobs. Nothing in this app knows marketing: it imports no other app, and every other app may import it.
"""
