"""One room a family, one module a service. A module says what the service is (services.register), how it
signs and judges, and how its operations are done (outbox.handles); it knows nothing of the workspace's data.
"""
