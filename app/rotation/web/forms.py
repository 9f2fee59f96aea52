"""The form that records a new rotation in the browser."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.core import signing
from django.db import router

from ..engine.db.session import Session
from ..engine.db.stop import StopSwitch
from ..engine.errors import Refused, RotationError
from ..engine.options import Options
from ..engine.preflight.server import describe_server, require_state
from ..engine.table.target import TargetName
from ..operations.discover import discover
from ..operations.inputs import target_from
from ..operations.record import Proposal

PLAN_SECONDS = 15.0  # limit for a plan; gunicorn ends a worker after 30
AMCHECK_SECONDS = 5.0  # of them for amcheck; the run checks for longer before it starts
SHOWN_SECONDS = 3600  # for which a shown plan may be recorded
SALT = "rotation.plan"
TOO_LONG = (
    f"the plan took longer than {PLAN_SECONDS:.0f} s, more than a page can wait for: see it with"
    " python manage.py rotate_tokens_sql --dry-run in a shell, and start the rotation there"
)


class NewRotation(forms.Form):
    """What the recorded rotation is asked to do."""

    table = forms.CharField(help_text="[schema.]table, by its exact name")
    pk = forms.CharField(label="Primary key", required=False, help_text="empty: from the catalog")
    column = forms.CharField(help_text="the column that holds the tokens")
    format = forms.CharField(
        required=False,
        help_text="of new tokens, e.g. sk_{hex:40}; empty: UUIDs, spelled as the old ones",
    )
    reason = forms.CharField(required=False, help_text="stored with the rotation, and in its report")
    workers = forms.IntegerField(initial=Options.workers, help_text="connections side by side")
    window = forms.IntegerField(required=False, help_text="rows; empty: sized while running")
    max_rate = forms.FloatField(required=False, help_text="rows a second; empty: no limit")
    only_between = forms.CharField(
        required=False, help_text="times of day, e.g. 22:00-06:00@Europe/Berlin; empty: any"
    )
    max_lag = forms.FloatField(
        required=False, initial=Options.max_lag, help_text="seconds that a standby may be behind"
    )
    nice = forms.FloatField(
        required=False, help_text="seconds of rest for each second of work; empty: none"
    )
    vacuum = forms.FloatField(
        required=False,
        initial=Options.vacuum,
        help_text="percent of the rows between vacuums; empty: never",
    )
    ack_triggers = forms.BooleanField(
        required=False, label="Its triggers keep no copies of tokens, or you have dealt with those"
    )
    allow_fk = forms.BooleanField(
        required=False, label="Accept what foreign keys to the token do on UPDATE"
    )


def may_see(user: Any, name: TargetName, session: Session) -> bool:
    """Whether a user may know about a table and its columns, which a plan and its errors name.

    A superuser of the site may; others, only about tables of installed models that they may view. The
    database is asked only about tables with the name of one of those.
    """
    if user.is_superuser:
        return True
    viewed = {
        model._meta.db_table
        for model in apps.get_models()
        # A proxy may show less than its table holds; a table in another database is not this one.
        if not model._meta.proxy
        and router.allow_migrate_model(session.alias, model)
        and user.has_perm(f"{model._meta.app_label}.{get_permission_codename('view', model._meta)}")
    }
    if name.table not in viewed:
        return False
    of_model, asked = (
        session.rows("find_table", schema=schema, name=name.table) for schema in (None, name.schema)
    )
    return bool(asked) and asked == of_model


def first_values(request: Any) -> dict[str, Any]:
    """The form's first values: those of the address, which the list of secrets links to."""
    if request.method == "POST":
        return {}
    given = {name: request.GET[name] for name in ("table", "column", "format") if name in request.GET}
    return given or default_target(request.user)


def offer_secrets(user: Any) -> list[dict[str, Any]]:
    """What looks like a secret and may be seen by the user: in lines, and as an address of the form."""
    with limited_stop() as stop:
        session = Session("default", stop=stop)
        require_state(session, describe_server(session))
        found = [
            (one, TargetName(one.secret.table, one.secret.column, schema=one.secret.schema))
            for one in discover(session)
        ]
        return [
            {
                "lines": "\n".join(one.lines()),
                "address": "?" + urlencode(one.for_the_form) if one.for_the_form else "",
            }
            for one, name in found
            if may_see(user, name, session)
        ]


def default_target(user: Any) -> dict[str, Any]:
    """The form's first values: what a run without --table would rotate, if the user may see that."""
    try:
        name = target_from({"table": None, "pk": None, "column": None})
        if not may_see(user, name, Session("default")):
            return {}
    except RotationError:
        return {}
    return {"table": name.table, "pk": name.pk, "column": name.column}


@contextlib.contextmanager
def limited_stop() -> Iterator[StopSwitch]:
    """A switch that cancels what runs in the block before the web server times out."""
    stop = StopSwitch(patient=False)
    timer = threading.Timer(PLAN_SECONDS, stop.request, ["the page's limit"])
    timer.start()
    try:
        yield stop
    finally:
        timer.cancel()


def sign(asked: dict[str, Any]) -> str:
    """A signature of what the plan was shown for; see `was_shown`."""
    return signing.dumps(asked, salt=SALT)


def was_shown(posted: Any, asked: dict[str, Any]) -> bool:
    """Whether the plan for exactly this was shown, not too long ago."""
    try:
        return bool(signing.loads(posted.get("shown", ""), salt=SALT, max_age=SHOWN_SECONDS) == asked)
    except signing.BadSignature:
        return False


def propose(user: Any, given: dict[str, Any], stop: StopSwitch) -> Proposal:
    """The rotation that the form describes. Raises RotationError for what can't be used.

    A table that the user may not see gives the same error whether it exists or not.
    """
    options = Options(
        workers=given["workers"],
        max_rate=given["max_rate"],
        format=given["format"] or None,
        only_between=given["only_between"] or None,
        max_lag=given["max_lag"],
        window=given["window"],
        nice=given["nice"] or 0.0,
        vacuum=given["vacuum"],
        ack_triggers=given["ack_triggers"],
        allow_fk=given["allow_fk"],
    )
    name = target_from({**given, "pk": given["pk"] or None})
    if not may_see(user, name, Session("default", stop=stop)):
        raise Refused(f"there is no table {given['table']!r} that you may see")
    return Proposal("default", name, options, stop, AMCHECK_SECONDS, user.is_superuser)
