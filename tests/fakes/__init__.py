"""Contract fakes of outside services: real ports, the documented wire format, state, and faults on demand.

One module a service, on top of server.py. They import nothing of the product, so that a connector and its
fake cannot share a misreading by sharing code.
"""
