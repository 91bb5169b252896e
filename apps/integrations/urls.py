"""Pages of the doors to the outside."""

app_name = "integrations"
urlpatterns: list = []
