"""What doors may answer instead of what was asked for, in words for the description of the API."""

from drf_spectacular.utils import OpenApiResponse

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="There is no such thing in this workspace.")
OVER = OpenApiResponse(ERROR, description="It is resolved already.")
REFUSED = OpenApiResponse(ERROR, description="The service refuses, or it is not in a state to do that.")
UNAVAILABLE = OpenApiResponse(ERROR, description="The service does not answer at the moment.")
