"""The site's addresses."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import path
from django.views.generic import RedirectView

from app.rotation.web.metrics import metrics


def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 'ok' while the web process runs; asks no database, so that it never restarts for one."""
    return HttpResponse("ok\n", content_type="text/plain")


admin.site.site_header = admin.site.site_title = "Tickets"

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/rotation/rotation/")),
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    path("favicon.ico", RedirectView.as_view(url=static("rotation/icon.svg"))),
    *([path("metrics", metrics)] if settings.ROTATION_METRICS else []),
]
