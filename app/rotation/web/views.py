"""The pages of one rotation in the admin: live, steered, its report; and the pages that record one."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from ..engine.db.session import Session
from ..engine.errors import RotationError
from ..engine.options import read_tuning
from ..engine.state.progress import read_progress
from ..engine.state.rotations import rotations
from ..engine.state.status import describe
from ..engine.text import one_line
from ..models import CANCELLABLE, CLAIMABLE, UNFINISHED, Rotation
from ..operations import steer
from ..operations.evidence import collect
from ..operations.inputs import open_session
from ..operations.record import Proposal, ShownPlan
from ..operations.wording import show_left
from .forms import (
    TOO_LONG,
    NewRotation,
    first_values,
    limited_stop,
    named_target,
    offer_secrets,
    offer_targets,
    propose,
    sign,
    was_shown,
)
from .live import look
from .report import render
from .tuning import Tuning


class RotationPages(admin.ModelAdmin):
    """The pages of a rotation, for the ModelAdmin that lists them.

    The engine uses its own transactions: none may be open around them (ATOMIC_REQUESTS).
    """

    def get_urls(self) -> list[URLPattern]:
        """The admin's URLs, and those of these pages."""
        view = self.admin_site.admin_view
        return [
            path("<int:number>/live/", view(self.live), name="rotation_live"),
            path("<int:number>/status.json", view(self.status), name="rotation_status"),
            path("<int:number>/steer/", view(require_POST(self.steer)), name="rotation_steer"),
            path("<int:number>/cancel/", view(self.confirm_cancel), name="rotation_cancel"),
            path("<int:number>/report/", view(self.report), name="rotation_report"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether a user may record a rotation."""
        return request.user.has_perm("rotation.add_rotation")

    def may_steer(self, request: HttpRequest) -> bool:
        """Whether a user may pause, resume, cancel and tune."""
        return request.user.has_perm("rotation.change_rotation")

    @non_atomic_requests
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The live page, to which the form that tunes is sent: its errors are shown there."""
        rotation, session = self._found(request, object_id)
        if request.POST.get("action") == "tune":
            return self.steer(request, rotation.pk)
        return self._live_page(request, rotation, session, Tuning(rotation))

    def _live_page(
        self, request: HttpRequest, rotation: Rotation, session: Session, tuning: Tuning
    ) -> HttpResponse:
        context = self._context(request, rotation, str(rotation)) | {
            "may_steer": self.may_steer(request) and rotation.status in UNFINISHED,
            "tuning": tuning,
            **look(session, rotation),
            **rights(request),
        }
        return TemplateResponse(request, "rotation/live.html", context)

    @non_atomic_requests
    def live(self, request: HttpRequest, number: int) -> HttpResponse:
        """The part of the page that changes; the last response says that it is over."""
        rotation, session = self._found(request, number)
        context = look(session, rotation) | rights(request)
        response = TemplateResponse(request, "rotation/_live.html", context)
        response["X-Rotation-Actions"] = " ".join(context["actions"])
        if not context["going_on"]:
            response["X-Rotation-Over"] = "yes"
        return response

    @non_atomic_requests
    def status(self, request: HttpRequest, number: int) -> HttpResponse:
        """What `rotation status --json` says."""
        rotation, session = self._found(request, number)
        return JsonResponse(describe(session, rotation))

    @non_atomic_requests
    def report(self, request: HttpRequest, number: int) -> HttpResponse:
        """The evidence, as one page."""
        rotation, session = self._found(request, number)
        response = HttpResponse(render(collect(session, rotation)))
        # The page carries its own styles, so that it can be kept as one file.
        response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
        return response

    @non_atomic_requests
    def steer(self, request: HttpRequest, number: int) -> HttpResponse:
        """Pause, resume, cancel or tune, as the button says."""
        rotation, session = self._found(request, number, steers=True)
        tuning = Tuning(rotation, request.POST)
        if request.POST.get("action") == "tune" and not tuning.is_valid():
            self.message_user(request, f"Nothing was tuned. {tuning.complaint}", messages.ERROR)
            if self.has_view_permission(request):
                return self._live_page(request, rotation, session, tuning)
        else:
            try:
                done = _steer(session, rotation, request.POST, tuning, who(request))
            except RotationError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.log_change(request, rotation, done)
                self.message_user(request, done)
        return HttpResponseRedirect(self._home(request, rotation))

    @non_atomic_requests
    def confirm_cancel(self, request: HttpRequest, number: int) -> HttpResponse:
        """Say what stays leaked, and ask for confirmation."""
        rotation, session = self._found(request, number, steers=True)
        progress = read_progress(session, rotation.pk)
        context = self._context(request, rotation, f"Cancel {rotation}?") | {
            "cancellable": progress.status in CANCELLABLE,
            "pausable": progress.status in CLAIMABLE,
            "status": progress.status,
            "done": f"{progress.rows_done:,}",
            "left": show_left(progress),
        }
        return TemplateResponse(request, "rotation/cancel.html", context)

    @non_atomic_requests
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Ask what to rotate, show the plan on a page of its own, and record it from there.

        A serving process picks it up.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        name = (request.POST or request.GET).get("target", "")
        named = named_target(request.user, name) if name else None
        changing = request.method != "POST" or "change" in request.POST
        initial = first_values(request, named) if changing else None
        form = NewRotation(None if changing else request.POST, initial=initial, named=named)
        if name and not named:
            self.message_user(request, f"there is no target {name!r} that you may see", messages.ERROR)
        elif form.is_valid():
            with limited_stop() as stop:
                try:
                    proposal = propose(request.user, form, stop)
                    if "record" in request.POST and was_shown(request.POST, form.asked):
                        return self._record(request, proposal, form.cleaned_data["reason"])
                    return self._plan_page(request, form, proposal.plan())
                except RotationError as error:
                    form.refuse(TOO_LONG if stop.requested else str(error))
        context = self._context(request, None, "New rotation") | {
            "form": form,
            "targets": offer_targets(request.user),
            "secrets": offer_secrets(request.user) if "discover" in request.GET else None,
        }
        return TemplateResponse(request, "rotation/new.html", context)

    def _plan_page(self, request: HttpRequest, form: NewRotation, plan: ShownPlan) -> HttpResponse:
        context = self._context(request, None, f"Plan for {plan.target}") | {
            "form": form,
            "plan": plan,
            "findings": self._advise(form, plan),
            "shown": sign(form.asked),
            "changed": "record" in request.POST,
        }
        return TemplateResponse(request, "rotation/plan.html", context)

    def _advise(self, form: NewRotation, plan: ShownPlan) -> dict[str, list[dict[str, str]]]:
        """What was found, by level; with the form's field, where a finding names the flag of one."""
        found: dict[str, list[dict[str, str]]] = {}
        for one in plan.findings:
            fields = (form[name] for name in form.fields if f"--{name.replace('_', '-')}" in one.text)
            where = ", ".join(f"“{field.label}”" for field in fields)
            found.setdefault(one.level, []).append({"text": one.text, "where": where})
        return found

    def _record(self, request: HttpRequest, proposal: Proposal, reason: str) -> HttpResponseRedirect:
        rotation = proposal.record(reason, request.user.get_username())
        self.log_addition(request, rotation, "recorded")
        self.message_user(request, f"{rotation} is recorded")
        return HttpResponseRedirect(self._home(request, rotation))

    def _home(self, request: HttpRequest, rotation: Rotation) -> str:
        """The rotation's page, or the admin's first one, for who may not look at it."""
        if not self.has_view_permission(request):
            return reverse("admin:index")
        return reverse("admin:rotation_rotation_change", args=[rotation.pk])

    def _found(
        self, request: HttpRequest, number: int | str, steers: bool = False
    ) -> tuple[Rotation, Session]:
        """The rotation and a session. Raises PermissionDenied and Http404."""
        if not (self.may_steer(request) if steers else self.has_view_permission(request)):
            raise PermissionDenied
        session = open_session("default")
        known = str(number).isdecimal() and int(number) < 2**63
        rotation = rotations(session).filter(pk=int(number)).first() if known else None
        if rotation is None:
            raise Http404(f"there is no rotation {number}")
        return rotation, session

    def _context(self, request: HttpRequest, rotation: Rotation | None, title: str) -> dict[str, Any]:
        return self.admin_site.each_context(request) | {
            "title": one_line(f"{title[:1].upper()}{title[1:]}"),
            "rotation": rotation,
            "opts": self.opts,
            "original": rotation,
        }


def rights(request: HttpRequest) -> dict[str, bool]:
    """What else the user may see."""
    return {
        "may_read_journal": request.user.has_perm("rotation.view_rotationwindow"),
        "may_read_lanes": request.user.has_perm("rotation.view_batchprogress"),
    }


def who(request: HttpRequest) -> str:
    """Who steers, as stored with the rotation."""
    return f"{request.user.get_username()}, on the site"


def _steer(session: Session, rotation: Rotation, asked: Any, tuning: Tuning, by: str) -> str:
    """Do what was asked, and return what was done, in words. Raises RotationError if it can't be."""
    action = asked.get("action", "")
    if action in steer.STEPS:
        return steer.STEPS[action](session, rotation, by)
    if action != "tune":
        raise RotationError(f"{rotation}: {action or 'nothing'} can't be done")
    if not tuning.edits:
        raise RotationError(f"{rotation}: no field was changed, so nothing was tuned")
    return steer.tune(session, rotation, read_tuning(tuning.edits), by)
