"""The page /metrics of a site; the project includes it in its addresses, as app/urls.py does."""

from django.db import connections
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST

from ..operations.metrics import collect, with_state


def metrics(request: HttpRequest) -> HttpResponse:
    """The rotations of every database of the project."""
    return HttpResponse(collect(with_state()), content_type=CONTENT_TYPE_LATEST)


for alias in connections:  # the engine uses its own transactions
    non_atomic_requests(using=alias)(metrics)
