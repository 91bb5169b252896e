"""The API of campaigns, audiences, journeys and reports: a module per resource, its serializers with it."""
