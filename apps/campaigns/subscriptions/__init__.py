"""What people allow: topics and their consent, how often, who unsubscribed, and addresses that nobody writes
to. Whether somebody may be written to is answered by reach.py.
"""
