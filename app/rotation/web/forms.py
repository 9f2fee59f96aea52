"""The form that records a new rotation in the browser."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
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
from ..engine.table.target import REWRITES, TargetName
from ..engine.text import count, one_line
from ..operations.discover import Candidate, discover
from ..operations.inputs import target_from
from ..operations.record import Proposal
from ..operations.targets import NamedTarget, find_targets, names_of_targets
from ..operations.wording import show_option
from .names import LABELS, flag_of, show_named
from .tuning import without_flag

PLAN_SECONDS = 15.0  # limit for a plan; gunicorn ends a worker after 30
AMCHECK_SECONDS = 5.0  # of them for amcheck; the run checks for longer before it starts
SHOWN_SECONDS = 3600  # for which a shown plan may be recorded
SALT = "rotation.plan"
TOO_LONG = (
    f"the plan took longer than {PLAN_SECONDS:.0f} s, more than a page can wait for: see it with"
    " python manage.py rotate_tokens_sql --dry-run in a shell, and start the rotation there"
)
#: The fields that say which column it is, and what new tokens look like: the settings say so of theirs.
WHICH = ("table", "column", "pk", "format")
WHAT = (*WHICH, "reason")
HOW = ("max_rate", "workers", "window", "max_lag")
FURTHER = ("only_between", "nice", "vacuum")
ACCEPTED = ("ack_triggers", "allow_fk")


class NewRotation(forms.Form):
    """What the recorded rotation is asked to do; a target of the settings brings its own options."""

    target = forms.CharField(required=False, widget=forms.HiddenInput)
    table = forms.CharField(help_text="by its exact name; with its schema: schema.table")
    column = forms.CharField(help_text="the column that holds the tokens")
    pk = forms.CharField(
        label="Primary key", required=False, help_text="only to check it; else from the catalog"
    )
    format = forms.CharField(
        label="Format of new tokens",
        required=False,
        help_text="such as sk_{hex:40}; empty: UUIDs, spelled as the old ones",
    )
    reason = forms.CharField(required=False, help_text="kept with the rotation, and in its report")
    max_rate = forms.FloatField(label=LABELS["max_rate"], required=False, help_text="empty: no limit")
    workers = forms.IntegerField(
        label=LABELS["workers"], initial=Options.workers, help_text="1 to 64 connections side by side"
    )
    window = forms.IntegerField(
        label=LABELS["window"], required=False, help_text="empty: sized while running"
    )
    max_lag = forms.FloatField(
        label=LABELS["max_lag"],
        required=False,
        initial=f"{Options.max_lag:g}",
        help_text="that a standby may be behind; empty: not watched",
    )
    only_between = forms.CharField(
        label=LABELS["only_between"],
        required=False,
        help_text="between which windows run, such as 22:00-06:00@Europe/Berlin; empty: any",
    )
    nice = forms.FloatField(
        label=LABELS["nice"], required=False, help_text="for each second of work; empty: none"
    )
    vacuum = forms.FloatField(
        label=LABELS["vacuum"],
        required=False,
        initial=f"{Options.vacuum:g}",
        help_text="of the rows, after which the table is vacuumed; empty: never",
    )
    ack_triggers = forms.BooleanField(
        required=False,
        label="Its triggers keep no copies of tokens",
        help_text="or you have dealt with those",
    )
    allow_fk = forms.BooleanField(
        required=False,
        label="Accept what foreign keys do",
        help_text="to other tables, when the token that they refer to changes",
    )

    def __init__(self, *args: Any, named: NamedTarget | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.named = named
        if named:
            self.fields["target"].initial = named.name
            for name in WHICH:
                del self.fields[name]

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The fields that are shown, by what they are about; some are folded."""
        known = (
            ("What", WHAT, False),
            ("How fast", HOW, False),
            ("Further limits", FURTHER, True),
            ("What you accept", ACCEPTED, False),
        )
        return [
            {
                "title": title,
                "fields": [(self[name], flag_of(name)) for name in names if name in self.fields],
                "folded": folded and not self.errors.keys() & {*names},
            }
            for title, names, folded in known
        ]

    @property
    def set_elsewhere(self) -> dict[str, Any]:
        """What the target's settings say besides, for which there is no field; by options' names."""
        given = self.named.options if self.named else {}
        return {name: value for name, value in given.items() if name not in self.fields}

    @property
    def also_set(self) -> list[dict[str, str]]:
        """The same, to be shown."""
        return [
            {"flag": flag_of(name), "value": one_line(show_option(name, value))}
            for name, value in self.set_elsewhere.items()
        ]

    @property
    def chosen(self) -> list[tuple[str, str]]:
        """What was asked for that is not as usual, to be shown beside the plan."""
        found = []
        for name in ("reason", *HOW, *FURTHER, *ACCEPTED):
            value = self.cleaned_data[name]
            if (value or None) != (getattr(Options, name, None) or None):
                found.append((str(self[name].label), one_line(show_named(name, value))))
        return found

    @property
    def asked(self) -> Any:
        """All that a plan is shown for, as it comes back from a signature."""
        settings = [str(self.named.target), self.set_elsewhere] if self.named else []
        return json.loads(json.dumps([self.cleaned_data, settings]))

    def options(self) -> Options:
        """The options that it describes. Raises UsageError for values that can't be used."""
        given = self.cleaned_data
        options = Options(
            workers=given["workers"],
            max_rate=given["max_rate"],
            format=given.get("format") or None,
            only_between=given["only_between"] or None,
            max_lag=given["max_lag"],
            window=given["window"],
            nice=given["nice"] or 0.0,
            vacuum=given["vacuum"],
            ack_triggers=given["ack_triggers"],
            allow_fk=given["allow_fk"],
        )
        return replace(options, **self.set_elsewhere)

    def refuse(self, text: str) -> None:
        """Put an error at the field that it is about, or else above all."""
        flag = re.match(r"--([a-z-]+)", text)
        name = flag[1].replace("-", "_") if flag else ""
        about = re.match(r"there is no (table) |.+ has no (column) ", text)
        if about:
            name = about[1] or about[2]
        if name in self.fields:
            self.add_error(name, without_flag(text))
        else:
            self.add_error(None, text)


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


def first_values(request: Any, named: NamedTarget | None) -> dict[str, Any]:
    """The form's first values: those of the address, of the settings, or what was sent."""
    if request.method == "POST":  # the user goes back to the form, to change something
        return {field.name: field.value() for field in NewRotation(request.POST, named=named)}
    if named:
        return {name: show_value(value) for name, value in named.options.items()}
    given = {name: request.GET[name] for name in ("table", "column", "format") if name in request.GET}
    return given or default_target(request.user)


def show_value(value: Any) -> Any:
    """A number as a field holds it: 100, where the settings may say 100.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def named_target(user: Any, name: str) -> NamedTarget | None:
    """The target of the settings with this name; None if there is none that the user may see."""
    with contextlib.suppress(RotationError):
        found = find_targets([name])[0]
        return found if may_see(user, found.target, Session("default")) else None
    return None


def offer_targets(user: Any) -> list[NamedTarget]:
    """The targets of the settings that the user may see."""
    offered = (named_target(user, name) for name in names_of_targets())
    return [one for one in offered if one]


def offer_secrets(user: Any) -> list[dict[str, Any]]:
    """What looks like a secret and may be seen by the user, and what to do with each."""
    with limited_stop() as stop:
        session = Session("default", stop=stop)
        require_state(session, describe_server(session))
        found = [
            (one, TargetName(one.secret.table, one.secret.column, schema=one.secret.schema))
            for one in discover(session)
        ]
        return [show_secret(one) for one, name in found if may_see(user, name, session)]


def show_secret(one: Candidate) -> dict[str, Any]:
    """A column that looks like a secret, as the page shows it."""
    its = one.secret
    of = f" ({one.known.package})" if one.known else ""
    rows = "rows not counted yet" if its.rows is None else f"about {count(its.rows, 'row')}"
    return {
        "name": one_line(f"{its.schema}.{its.table}.{its.column}{of}"),
        "rows": rows,
        "looks": one.looks,
        "address": "?" + urlencode(one.for_the_form) if one.for_the_form else "",
        "why": one.why,
        "first": one_line(one.first),
        "rewrites": REWRITES,
        "command": one_line(one.command or ""),
        "then": one.then,
    }


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


def sign(asked: Any) -> str:
    """A signature of what the plan was shown for; see `was_shown`."""
    return signing.dumps(asked, salt=SALT)


def was_shown(posted: Any, asked: Any) -> bool:
    """Whether the plan for exactly this was shown, not too long ago."""
    try:
        return bool(signing.loads(posted.get("shown", ""), salt=SALT, max_age=SHOWN_SECONDS) == asked)
    except signing.BadSignature:
        return False


def propose(user: Any, form: NewRotation, stop: StopSwitch) -> Proposal:
    """The rotation that the form describes. Raises RotationError for what can't be used.

    A table that the user may not see gives the same error whether it exists or not.
    """
    options = form.options()
    given = form.cleaned_data
    name = form.named.target if form.named else target_from({**given, "pk": given["pk"] or None})
    if not may_see(user, name, Session("default", stop=stop)):
        raise Refused(f"there is no table {given.get('table', name.table)!r} that you may see")
    return Proposal("default", name, options, stop, AMCHECK_SECONDS, user.is_superuser)
