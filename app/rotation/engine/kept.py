"""Options as they are kept with a rotation: anybody may have written them who may write to the state."""

import json
from dataclasses import asdict, replace
from typing import Any

from django.core import signing

from .errors import Refused, UsageError
from .options import LASTING, TUNABLE, TYPES, Options, known_options

#: Of these, SQL of the operator's own, which is kept with a signature.
OWN_SQL = ("expression", "also", "where")


def from_stored(stored: Any) -> Options:
    """The options stored with a rotation; what this version does not know is left out, and LASTING.

    Anyone who may write to the rotation's row may have written them: raises UsageError, naming the
    option, for a value that has the wrong type or can't be used.
    """
    return Options(**known_options(stored, "rotation.options", TYPES.keys() - {*LASTING, "if_finished"}))


def kept_lastingly(stored: Any) -> dict[str, Any]:
    """Of LASTING what is stored with a rotation. Raises UsageError for a value of the wrong type."""
    known = known_options(as_kept(stored), "rotation.options", LASTING)
    return {name: value for name, value in known.items() if value not in (None, ())}


def as_kept(stored: Any) -> dict[str, Any]:
    """The options stored with a rotation, to be shown as they are; none if they are not an object."""
    return stored if isinstance(stored, dict) else {}


def seal(rotation: int, query: str) -> str:
    """A query with this site's signature, so that nobody has it run who may only write to the state."""
    return _signer("throttle_sql", rotation).sign(query)


def unseal(rotation: int, sealed: str) -> str | None:
    """The query that was sealed for this rotation; None if that was not done with our SECRET_KEY."""
    try:
        return _signer("throttle_sql", rotation).unsign(sealed)
    except signing.BadSignature:
        return None


def to_store(options: Options, target: str) -> dict[str, Any]:
    """Options as they are kept with a rotation of `target`: own SQL has a signature."""
    kept = asdict(options)
    if not any(kept[name] for name in OWN_SQL):
        return kept
    return kept | {"seal": _signer("sql", target).signature(_own_sql(kept))}


def is_ours(stored: Any, target: str) -> bool:
    """Whether SQL that is kept with a rotation of `target` was given to a process with our SECRET_KEY.

    Else whoever may write to the state could have a later run execute it, with that one's rights.
    """
    kept = as_kept(stored)
    seal = kept.get("seal")
    if seal is None and not any(kept.get(name) for name in OWN_SQL):
        return True
    signer = _signer("sql", target)
    try:
        # Also by one of SECRET_KEY_FALLBACKS.
        signer.unsign(f"{_own_sql(kept)}{signer.sep}{seal}")
    except signing.BadSignature:
        return False
    return True


def _own_sql(kept: dict[str, Any]) -> str:
    return json.dumps([kept.get(name) for name in OWN_SQL])


def _signer(what: str, whose: int | str) -> signing.Signer:
    return signing.Signer(salt=f"rotate_tokens.{what}.{whose}")


class LiveOptions:
    """The options of a run as they are now: what it was started with, overridden by tuning."""

    def __init__(self, given: Options, rotation: int) -> None:
        self._given = given
        self._rotation = rotation
        self._tuned = "{}"
        self.now = given
        self.obstacle = ""  #: why no window may run, whatever the server is like

    def learn(self, tuned: str) -> None:
        """Adopt what was tuned, in JSON as rotation.tuned holds it, if it changed.

        Raises Refused for what `rotation tune` would not have written.
        """
        if tuned == self._tuned:
            return
        try:
            known = known_options(json.loads(tuned), "it", TUNABLE)
            obstacle = ""
            if sealed := known.get("throttle_sql"):
                known["throttle_sql"] = unseal(self._rotation, sealed)
                if known["throttle_sql"] is None:
                    obstacle = (
                        "throttle_sql was tuned with another SECRET_KEY than this process has: tune it"
                        " with the same, or to default"
                    )
            self.now = replace(self._given, **known)
            self.obstacle = obstacle
        except (UsageError, ValueError, RecursionError) as error:
            why = error if isinstance(error, UsageError) else "it can't be used"
            raise Refused(
                f"rotation.tuned was edited by hand ({why}): undo that with"
                " python manage.py rotation tune NAME=default"
            ) from error
        self._tuned = tuned
