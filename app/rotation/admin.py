"""The admin's pages: watch rotations, steer them, record one. Nothing can be edited or deleted."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .engine.errors import RotationError
from .engine.state.status import State, read_state
from .engine.text import duration, in_utc
from .models import BatchProgress, Rotation, RotationWindow
from .operations.inputs import open_session
from .operations.wording import (
    HELD_BACK,
    show_pace,
    show_rows,
    show_survivors,
    why_nothing_happens,
)
from .web.views import RotationPages


class Explaining(admin.ModelAdmin):
    """Pages that say in a line why they can't be shown, such as for want of a state."""

    def get_urls(self) -> list[URLPattern]:
        """The pages' URLs, whose views raise RotationError."""
        urls = super().get_urls()
        for one in urls:
            one.callback = self._explained(one.callback)
        return urls

    def _explained(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def show(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, *args, **kwargs)
            except RotationError as error:
                context = self.admin_site.each_context(request) | {"title": "Not now", "why": str(error)}
                return TemplateResponse(request, "rotation/unavailable.html", context, status=503)

        return show


class ReadOnly(admin.ModelAdmin):
    """Can be viewed with the view permission, and nothing else."""

    title = ""

    actions = None
    list_per_page = 50
    show_full_result_count = False
    list_display_links: tuple[str, ...] | None = None

    @non_atomic_requests
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, with its own title. Raises Refused where `default` holds no state."""
        if self.has_view_permission(request):
            open_session("default")
        return super().changelist_view(request, {"title": self.title} | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Of the database whose state the pages read, whatever routers say."""
        return super().get_queryset(request).using("default")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the engine writes these rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the record stays."""
        return False


@admin.register(Rotation)
class RotationAdmin(Explaining, RotationPages, ReadOnly):
    """The list of rotations; the page of each is in web.views."""

    title = "Rotations"

    list_display = (
        "name",
        "state",
        "progress",
        "pace",
        "remaining",
        "waits",
        "started_by",
        "proof",
    )
    list_display_links = ("name",)
    search_fields = ("table_name", "table_schema", "reason", "operator")
    ordering = ("-pk",)

    class Media:
        css = {"all": ("rotation/live.css",)}

    @non_atomic_requests
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list; the state of each rotation in it is read once."""
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data:
            session = open_session("default")
            for rotation in response.context_data["cl"].result_list:
                rotation.seen = read_state(session, rotation.pk)
        return response

    @admin.display(description="rotation", ordering="pk")
    def name(self, rotation: Rotation) -> str:
        """Its number and column."""
        return f"{rotation.pk}: {rotation.target}"

    @admin.display(ordering="status")
    def state(self, rotation: Rotation) -> SafeString:
        """Its status, in words and colour."""
        seen = _seen(rotation)
        stalled = ", stalled" if seen.stalled else ""
        status = seen.progress.status
        return format_html('<span class="state state-{}">{}{}</span>', status, status, stalled)

    @admin.display
    def progress(self, rotation: Rotation) -> SafeString:
        """Percent, as a bar and as a number, and rows."""
        progress = _seen(rotation).progress
        percent = "" if progress.percent is None else f"{progress.percent:.2f}"
        return format_html(
            '<progress max="100" {} aria-label="Rows rotated"></progress> {}<br>{}',
            format_html('value="{}"', percent) if percent else "",
            f"{percent} %" if percent else "unknown",
            show_rows(progress),
        )

    @admin.display
    def pace(self, rotation: Rotation) -> str:
        """Rows a second."""
        return show_pace(_seen(rotation).progress)

    @admin.display
    def remaining(self, rotation: Rotation) -> str:
        """Time left."""
        eta = _seen(rotation).progress.eta_seconds
        return duration(eta) if eta and not _seen(rotation).stalled else "–"

    @admin.display(description="why it waits")
    def waits(self, rotation: Rotation) -> str:
        """Why nothing happens now."""
        return why_nothing_happens(rotation, _seen(rotation)).removeprefix(HELD_BACK) or "–"

    @admin.display(description="started by", ordering="operator")
    def started_by(self, rotation: Rotation) -> str:
        """Who started it, and where."""
        return f"{rotation.operator}@{rotation.host}"

    @admin.display(description="verified")
    def proof(self, rotation: Rotation) -> SafeString | str:
        """What the last verification found."""
        if rotation.verified_at is None:
            return "no"
        return format_html("{}<br>{}", show_survivors(rotation.survivors), in_utc(rotation.verified_at))


@admin.register(BatchProgress)
class LaneAdmin(Explaining, ReadOnly):
    """Lanes with their checkpoints."""

    title = "Lanes"

    list_display = ("rotation", "lane", "lower", "upper", "last_id", "rows", "windows", "worker")
    list_select_related = ("rotation",)
    ordering = ("-rotation_id", "lane")


@admin.register(RotationWindow)
class WindowAdmin(Explaining, ReadOnly):
    """The journal: one row for each committed window."""

    title = "Journal of windows"

    list_display = (
        "ended",
        "rotation_id",
        "lane_number",
        "lo",
        "hi",
        "rows",
        "took",
        "waited",
        "throttle",
        "worker",
    )
    list_select_related = ("lane",)
    search_fields = ("=lo", "=hi", "worker", "throttle")
    search_help_text = "a window's first or last key, a worker, or a reason to wait"
    ordering = ("-pk",)

    @admin.display(description="ended", ordering="finished_at")
    def ended(self, window: RotationWindow) -> str:
        """When it was committed."""
        return in_utc(window.finished_at)

    @admin.display(description="ms", ordering="milliseconds")
    def took(self, window: RotationWindow) -> str:
        """How long it took."""
        return f"{window.milliseconds:,.0f}"

    @admin.display(description="waited, ms", ordering="throttled")
    def waited(self, window: RotationWindow) -> str:
        """How long it was held back beforehand."""
        return f"{window.throttled:,.0f}"

    @admin.display(description="lane", ordering="lane")
    def lane_number(self, window: RotationWindow) -> int:
        """The lane's number within its rotation."""
        return window.lane.lane


def _seen(rotation: Rotation) -> State:
    """The state that the list has read."""
    seen: State = rotation.seen  # type: ignore[attr-defined]
    return seen
