"""The admin's pages: watch rotations, steer them, record one. Nothing can be edited or deleted."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.filters import SimpleListFilter
from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Concat
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .engine.errors import RotationError
from .engine.state.status import State, read_state
from .engine.text import in_utc, one_line
from .models import UNFINISHED, BatchProgress, Rotation, RotationWindow, Status
from .operations.inputs import open_session
from .operations.wording import HELD_BACK, began_at, show_duration, show_pace, show_rows, show_survivors
from .web.live import show_average, show_remaining, why_waits
from .web.views import RotationPages

NOTHING = format_html('<span class="none">{}</span>', "–")  # which a phone leaves out


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

    class Media:
        css = {"all": ("rotation/live.css",)}

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


class Choosing(SimpleListFilter):
    """A filter above the list, with how many rotations each choice has."""

    template = "rotation/_filter.html"


class StateFilter(Choosing):
    """By status, or by whether something is left to do."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """Unfinished ones first; of the others what there is."""
        kept = set(model_admin.get_queryset(request).order_by().values_list("status").distinct())
        yield "unfinished", "unfinished"
        for status in Status.values:
            if (status,) in kept or status == self.value():
                yield status, status

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those in that state."""
        if self.value() == "unfinished":
            return queryset.filter(status__in=UNFINISHED)
        return queryset.filter(status=self.value()) if self.value() else queryset


class TableFilter(Choosing):
    """By the table that was rotated."""

    title = "table"
    parameter_name = "table"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """Every table that has a rotation; none if there is but one."""
        names = self._named(model_admin.get_queryset(request)).order_by("named")
        found = list(names.values_list("named", flat=True).distinct())
        return [(name, one_line(name)) for name in found] if len(found) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of that table."""
        return self._named(queryset).filter(named=self.value()) if self.value() else queryset

    def _named(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.annotate(named=Concat("table_schema", Value(".", TextField()), "table_name"))


@admin.register(Rotation)
class RotationAdmin(Explaining, RotationPages, ReadOnly):
    """The list of rotations; the page of each is in web.views."""

    title = "Rotations"

    change_list_template = "rotation/list.html"
    list_display = (
        "name",
        "state",
        "progress",
        "pace",
        "remaining",
        "started",
        "took",
        "started_by",
        "reason_given",
        "proof",
    )
    list_display_links = ("name",)
    list_filter = (StateFilter, TableFilter)
    show_facets = admin.ShowFacets.ALWAYS
    search_fields = ("table_name", "table_schema", "reason", "operator")
    search_help_text = "a table, a reason, or who started it"
    ordering = ("-pk",)

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
        return f"{rotation.pk}: {one_line(rotation.target)}"

    @admin.display(ordering="status")
    def state(self, rotation: Rotation) -> SafeString:
        """Its status, in words and colour, and why nothing happens now."""
        seen = _seen(rotation)
        stalled = ", stalled" if seen.stalled else ""
        status = seen.progress.status
        news = f"rotation {rotation.pk}:"
        shown = format_html(
            '<span class="state state-{}" data-part="state-{}" data-news="{}">{}{}</span>',
            *(status, rotation.pk, news, status, stalled),
        )
        why = why_waits(rotation, seen).removeprefix(HELD_BACK)
        return shown + _live("why", rotation, why, "why")

    @admin.display
    def progress(self, rotation: Rotation) -> SafeString:
        """Percent, as a bar and as a number, and rows."""
        progress = _seen(rotation).progress
        percent = "" if progress.percent is None else f"{progress.percent:.2f}"
        return _live(
            "progress",
            rotation,
            format_html(
                '<progress max="100" {} aria-label="Rows rotated"></progress> {}<br>{}',
                format_html('value="{}"', percent) if percent else "",
                f"{percent} %" if percent else "unknown",
                show_rows(progress),
            ),
        )

    @admin.display
    def pace(self, rotation: Rotation) -> SafeString:
        """Rows a second: now, or on average if it is over."""
        progress = _seen(rotation).progress
        if progress.status in UNFINISHED:
            return _live("pace", rotation, show_pace(progress))
        average = show_average(rotation, progress)
        mean = "on average" if average != "–" else ""
        return _live("pace", rotation, format_html("{}<br>{}", average, mean) if mean else average)

    @admin.display(description="left")
    def remaining(self, rotation: Rotation) -> SafeString:
        """Time left."""
        return _live("remaining", rotation, show_remaining(_seen(rotation)))

    @admin.display(description="started (UTC)", ordering="begun_at")
    def started(self, rotation: Rotation) -> SafeString:
        """When a process first took it up."""
        began = began_at(rotation)
        return _live("started", rotation, in_utc(began).removesuffix(" UTC") if began else "not yet")

    @admin.display(description="duration")
    def took(self, rotation: Rotation) -> SafeString:
        """How long it took, or has taken so far."""
        return _live("took", rotation, show_duration(rotation))

    @admin.display(description="who", ordering="operator")
    def started_by(self, rotation: Rotation) -> str:
        """Who started it, and where."""
        return one_line(f"{rotation.operator}@{rotation.host}")

    @admin.display(description="reason", ordering="reason")
    def reason_given(self, rotation: Rotation) -> str:
        """Why it was started."""
        return one_line(rotation.reason) or NOTHING

    @admin.display(description="verified")
    def proof(self, rotation: Rotation) -> SafeString:
        """What the last verification found."""
        if rotation.verified_at is None:
            return _live("proof", rotation, "no")
        at = f"checked {in_utc(rotation.verified_at)}"
        shown = format_html('<span title="{}">{}</span>', at, show_survivors(rotation.survivors))
        return _live("proof", rotation, shown)


class OfRotation(ReadOnly):
    """What belongs to a rotation: reached from its page, and so in no menu."""

    change_list_template = "rotation/part_list.html"
    change_form_template = "rotation/part.html"
    object_history_template = "rotation/part_history.html"

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Never: these lists are parts of a rotation's page."""
        return False

    @admin.display(description="rotation", ordering="rotation_id")
    def rotation_number(self, part: BatchProgress | RotationWindow) -> int:
        """The rotation's number."""
        return part.rotation_id

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The columns; without the rotation's, if they are all of one."""
        columns = list(super().get_list_display(request))
        return columns[1:] if "rotation__id__exact" in request.GET else columns

    @non_atomic_requests
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list; its title and its way back name the rotation to which it is narrowed."""
        number = request.GET.get("rotation__id__exact", "")
        of = None
        if self.has_view_permission(request) and number.isdecimal() and int(number) < 2**63:
            of = Rotation.objects.using("default").filter(pk=int(number)).first()
        title = f"{self.title} of {one_line(str(of))}" if of else f"{self.title} of all rotations"
        return super().changelist_view(request, {"title": title, "of": of} | (extra_context or {}))


@admin.register(BatchProgress)
class LaneAdmin(Explaining, OfRotation):
    """Lanes with their checkpoints."""

    title = "Lanes"

    list_display = ("rotation_number", "lane", "lower", "upper", "last_id", "rows", "windows", "worker")
    ordering = ("-rotation_id", "lane")


@admin.register(RotationWindow)
class WindowAdmin(Explaining, OfRotation):
    """The journal: one row for each committed window."""

    title = "Windows"

    list_display = (
        "rotation_number",
        "ended",
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


def _live(what: str, rotation: Rotation, shown: str, style: str = "") -> SafeString:
    """A cell's content that the page refreshes."""
    style = "none" if shown == "–" else style
    return format_html('<span class="{}" data-part="{}-{}">{}</span>', style, what, rotation.pk, shown)
