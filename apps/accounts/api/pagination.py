from rest_framework.pagination import CursorPagination


class Pages(CursorPagination):
    """Newest first, by id: stable while rows are added."""

    ordering = "-id"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000
