"""The form that tunes a rotation while windows run; each error is shown at its field."""

import re
from typing import Any

from django import forms

from ..engine.errors import UsageError
from ..engine.kept import as_kept
from ..engine.options import TUNABLE, as_given, read_tuning
from ..models import Rotation
from .names import HELP, LABELS

FIRST = ("max_rate", "workers", "window", "max_lag")  # what is tuned in a hurry
FURTHER = ("max_wal_rate", "only_between", "nice", "vacuum")  # the command line can tune still more


class Tuning(forms.Form):
    """The options as they are now, to be edited; an empty field gives back what each run was given.

    Someone else may have tuned since the page was loaded: what the user left alone is not sent again.
    """

    def __init__(self, rotation: Rotation, asked: Any = None) -> None:
        super().__init__(asked)
        now = as_kept(rotation.options) | as_kept(rotation.tuned)
        self.edits: list[str] = []  #: assignments for read_tuning, once the form is valid
        self.was = {name: as_given(now.get(name)) for name in (*FIRST, *FURTHER)}
        for name, value in self.was.items():
            widget = forms.TextInput(attrs={"autocomplete": "off"})
            self.fields[name] = forms.CharField(
                required=False, initial=value, label=LABELS[name], help_text=HELP[name], widget=widget
            )
            self.fields[f"shown_{name}"] = forms.CharField(
                required=False, initial=value, widget=forms.HiddenInput
            )

    def clean(self) -> dict[str, Any]:
        """Find what was edited, and check each value by itself."""
        for name in [one for one in TUNABLE if one in self.was]:
            value = self.was[name]
            shown = self.data.get(f"shown_{name}", value)
            text = self.data.get(name, shown).strip()
            if text == shown:
                continue
            edit = f"{name}={text or 'default'}"
            try:
                if text:
                    TUNABLE[name](text)
                read_tuning([edit])
                self.edits.append(edit)
            except ValueError:
                wanted = HELP[name].partition(":")[0]
                self.add_error(name, f"Expected {wanted}; not {text!r}.")
            except UsageError as error:
                self.add_error(name, without_flag(str(error)))
        return self.cleaned_data

    @property
    def first(self) -> list[forms.BoundField]:
        """The fields that are always shown."""
        return [self[name] for name in FIRST]

    @property
    def further(self) -> list[forms.BoundField]:
        """The fields that are folded."""
        return [self[name] for name in FURTHER]

    @property
    def wrong_further(self) -> bool:
        """Whether a folded field holds an error, and so must be seen."""
        return bool(self.is_bound and self.errors.keys() & {*FURTHER})

    @property
    def complaint(self) -> str:
        """All its errors in one line, each with the name of its field."""
        said = (
            f"{self.fields[name].label}: {' '.join(map(str, errors))}"
            for name, errors in self.errors.items()
        )
        return " ".join(said)


def without_flag(text: str) -> str:
    """An error of an option as a sentence for its field: without the flag and its value."""
    said = re.sub(r"\A--[a-z-]+(?: .*?)?: ", "", text)
    said = f"{said[:1].upper()}{said[1:]}"
    return said if said.endswith((".", "?")) else f"{said}."
