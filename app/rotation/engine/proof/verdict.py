"""What a verification found, and every sentence that says so."""

from dataclasses import dataclass, field
from datetime import datetime

from ..table.target import Target
from ..text import count, in_utc, name_keys

#: What a set of revoked tokens proves that does not hold what it must.
INCONCLUSIVE = "the set of revoked tokens had been tampered with, so nothing can be concluded from it"


def start_over(cancel: str) -> str:
    """What to do then; `cancel`: the command that ends the rotation."""
    return f"end the rotation with {cancel}, start another, and keep rotation_revoked as evidence"


def say(survivors: int | None, expected: int, at: datetime, label: str = "", mark: str = "") -> str:
    """The result of a verification as one plain sentence; no `survivors`: it was inconclusive.

    `mark` groups the digits of numbers, for pages.
    """
    where = f" in {label}" if label else ""
    if survivors is None:
        return (
            f"whether revoked tokens survive{where} is not known, checked {in_utc(at)}: {INCONCLUSIVE}"
        )
    return f"{survivors:{mark}} of {expected:{mark}} revoked tokens survive{where}, checked {in_utc(at)}"


@dataclass(frozen=True)
class Verdict:
    """What a verification found."""

    survivors: int  #: rows that hold a token of the revoked set
    keys: list[str]  #: of the first of them
    expected: int  #: hashes that the set must hold
    found: int  #: hashes that it holds
    at: datetime
    apart: dict[str, int] = field(default_factory=dict)  #: rows of partitions detached since, by name
    gone: list[str] = field(default_factory=list)  #: partitions present at the start, since dropped

    @property
    def conclusive(self) -> bool:
        """Whether the set was intact: if not, nothing follows from it."""
        return self.found == self.expected

    @property
    def clean(self) -> bool:
        """Whether no revoked token survives, in the table or in what was detached from it."""
        return self.conclusive and not self.survivors and not any(self.apart.values())

    @property
    def notes(self) -> list[str]:
        """What happened to former partitions, where that is not a problem."""
        detached = [
            f"{name}, detached since the start, holds no revoked token"
            for name, rows in self.apart.items()
            if not rows
        ]
        return detached + [f"a partition present at the start is gone: {name}" for name in self.gone]

    def sentence(self, label: str) -> str:
        """The result in one plain sentence."""
        if self.conclusive:
            return say(self.survivors, self.expected, self.at, label)
        held = f"it holds {self.found} of {self.expected} hashes"
        return f"{say(None, self.expected, self.at, label)} ({held})"


@dataclass(frozen=True)
class LeakedVerdict:
    """What a comparison with a list of leaked tokens found."""

    tokens: int  #: that the list holds; one that is listed twice counts twice
    listed: int  #: distinct ones among them
    valid: int  #: rows that hold one of them
    keys: list[str]  #: of the first of those

    def sentence(self, label: str) -> str:
        """The result in one plain sentence."""
        read = "" if self.tokens == self.listed else f" ({self.tokens} were read, some of them twice)"
        hold = "holds" if self.valid == 1 else "hold"
        return f"{count(self.valid, 'row')} of {label} {hold} one of {self.listed} listed tokens{read}"


def how_proven(verdict: Verdict | None, target: Target) -> str:
    """What the last phase reports at its end."""
    if verdict is None:
        return f"not verified (--no-verify); run {target.action('verify')} to do so"
    return f"verified by value: {verdict.sentence(target.scope)}"


def why_unproven(verdict: Verdict, target: Target) -> str:
    """What a failed verification says, and what to do."""
    if not verdict.conclusive:
        return f"{verdict.sentence(target.label)}: {start_over(target.action('cancel'))}"
    apart = [f"{count(rows, 'row')} of {name}" for name, rows in verdict.apart.items() if rows]
    if apart and not verdict.survivors:
        return (
            f"{' and '.join(apart)}, detached from {target.schema}.{target.table} since the start, hold"
            f" revoked tokens: reattach it and run {target.command}, or rotate it under its own name"
        )
    named = name_keys(target.pk, verdict.keys, verdict.survivors)
    return (
        f"{verdict.sentence(target.label)}: {named}; find out what writes old tokens,"
        f" then run {target.command} to rotate those rows"
    )
