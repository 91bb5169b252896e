"""What recipients follow from a message: no sign-in, a token instead."""

from django.urls import URLPattern

app_name = "letters"
urlpatterns: list[URLPattern] = []
