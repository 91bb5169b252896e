"""What every page of optimisation shows above its own: the tabs and the kill switch."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.campaigns.reports import engine


def shown(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """The page, with the switch unless it brings its own."""
    if "switch" not in context:
        context["switch"] = engine.switch()
    return render(request, f"optimization/{template}", context, status=status)
