from django.urls import URLPattern

app_name = "attribution-api"
urlpatterns: list[URLPattern] = []
