"""The site's addresses."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import path
from django.views.generic import RedirectView

from app.rotation.operations.project import setting
from app.rotation.web.metrics import metrics

admin.site.site_header = admin.site.site_title = "Tickets"

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/rotation/rotation/")),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=static("rotation/icon.svg"))),
    *([path("metrics", metrics)] if setting("METRICS") else []),
]
