"""What is asked of a new rotation that is recorded in the browser."""

from typing import Any

from django import forms

from app.rotation.engine.driver import RotationDriver
from app.rotation.engine.errors import RotationError
from app.rotation.engine.options import Options
from app.rotation.engine.stop import StopSwitch
from app.rotation.management.cli import target_from


class NewRotation(forms.Form):
    """What a rotation that is recorded here is asked to do."""

    table = forms.CharField(help_text="[schema.]table, by its exact name")
    pk = forms.CharField(label="Primary key", required=False, help_text="empty: from the catalog")
    column = forms.CharField(help_text="the column that holds the tokens")
    reason = forms.CharField(required=False, help_text="kept with the rotation, and in its report")
    workers = forms.IntegerField(initial=Options.workers, help_text="connections side by side")
    max_rate = forms.FloatField(required=False, help_text="rows a second; empty: as fast as it goes")
    max_lag = forms.FloatField(
        required=False, initial=Options.max_lag, help_text="seconds that a standby may be behind"
    )
    ack_triggers = forms.BooleanField(
        required=False, label="Its triggers keep no copies of tokens, or those are dealt with"
    )
    allow_fk = forms.BooleanField(
        required=False, label="What foreign keys to the token do on UPDATE is wanted"
    )


def default_target() -> dict[str, Any]:
    """The form's first values: what a run without --table would rotate."""
    try:
        name = target_from({"table": None, "pk": None, "column": None})
    except RotationError:
        return {}
    return {"table": name.table, "pk": name.pk, "column": name.column}


def make_driver(given: dict[str, Any]) -> RotationDriver:
    """A driver for what the form says. Raises RotationError for what can't be used."""
    options = Options(
        workers=given["workers"],
        max_rate=given["max_rate"],
        max_lag=given["max_lag"],
        ack_triggers=given["ack_triggers"],
        allow_fk=given["allow_fk"],
    )
    name = target_from({**given, "pk": given["pk"] or None})
    return RotationDriver("default", name, options, StopSwitch(patient=False), lambda event: None)
