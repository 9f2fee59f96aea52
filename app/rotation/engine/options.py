"""What a run is asked to do, validated in one place for the command line, tuning and the web."""

import difflib
import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from .errors import UsageError
from .formats import TokenFormat, parse_format
from .hours import Hours
from .recipe import Companion, Recipe, parse_companion
from .text import flag_with, parse_size, parse_size_rate

MOST_WORKERS = 64  # of one process
MOST_LANES = 1024
REINDEX = ("all", "token")  # all that the rotation has made larger, or only those that hold the token
IF_FINISHED = ("ok", "new", "fail")  # do nothing; start another; refuse
MOST_NAME = 63  # bytes (NAMEDATALEN - 1)
DAY = 86_400  # seconds
LARGEST_SIZE = 1_000_000  # rows


@dataclass(frozen=True)
class Options:
    """Options of one run. Raises UsageError, naming the flag, for a value that can't be used."""

    window: int | None = None  #: rows of a window; None: sized to `window_seconds`
    window_seconds: float = 0.1  #: target seconds of an auto-sized window
    workers: int = 1  #: connections that this process rotates with
    lanes: int | None = None  #: ranges that a new rotation is cut into; None: by the table's size
    lock_timeout_ms: int = 200  #: milliseconds that a window waits for one lock
    lock_patience: float = 60.0  #: seconds of conflicts in a row before the run gives up
    outage_seconds: float = 60.0  #: seconds without a database before the run gives up
    guard: bool = True  #: a guard keeps revoked tokens from being written back
    verify: bool = True  #: the end is proven by value
    ack_triggers: bool = False  #: the target's triggers are known to keep no copy of old tokens
    allow_fk: bool = False  #: what foreign keys to the token do to other tables is accepted
    max_lag: float | None = 10.0  #: seconds a standby may be behind
    max_lag_bytes: int | None = None  #: bytes of WAL that a standby may be behind
    critical_lag: float | None = None  #: seconds behind at which the run ends
    standbys: tuple[str, ...] = ()  #: application_name of standbys that must be connected
    wait_replicas: bool = True  #: the end waits until the standbys have replayed it
    max_wal: int | None = None  #: bytes of WAL that slots retain, or that wait for the archiver
    critical_wal: int | None = None  #: bytes of such WAL at which the run ends
    min_free: int | None = 10**9  #: bytes of disk to keep free, where that is known
    max_waiting: int | None = 5  #: sessions that may wait for locks which windows hold
    max_rate: float | None = None  #: rows a second, of all workers together
    max_wal_rate: int | None = None  #: bytes of WAL a second, that everybody on the server writes
    only_between: str | None = None  #: times of day between which windows run; see hours.py
    stop_after: int | None = None  #: rows after which this run ends
    nice: float = 0.0  #: seconds of rest for each second of work
    vacuum: float | None = 10.0  #: percent of the rows after which the table is vacuumed; None: never
    local_tokens: bool = False  #: each window draws its tokens from a slice of all; see slices.py
    reindex: str | None = None  #: which indexes are rebuilt at the end: see REINDEX
    format: str | None = None  #: template of new tokens; see formats.py; None: UUIDs, spelled as before
    expression: str | None = None  #: SQL of a new token, evaluated for every row
    also: tuple[str, ...] = ()  #: COLUMN=SQL of other columns, set in the same UPDATE
    where: str | None = None  #: SQL that is true for the rows to rotate; None: all
    walk: str | None = None  #: column whose order windows follow; None: the primary key
    notify: str | None = None  #: channel to notify of each window
    if_finished: str = "ok"  #: what to do after a finished rotation: see IF_FINISHED
    throttle_sql: str | None = None  #: a query: true or a nonzero number throttles

    def __post_init__(self) -> None:
        for name, what in (("standbys", "names"), ("also", "COLUMN=SQL")):
            if not isinstance(getattr(self, name), tuple):
                raise UsageError(f"{name}: expected {what} in a tuple, such as ('one',)")
        for name, (flag, least, most, unit) in LIMITS.items():
            value = getattr(self, name)
            if not isinstance(value, (int, float, NoneType)):
                raise UsageError(f"{flag} {value!r}: expected a number, of {unit}")
            if value is not None and not least <= value <= most:
                off = ", or off" * (name in TURNED_OFF)
                raise UsageError(f"{flag} {as_given(value)}: expected {least} to {most} {unit}{off}")
        self._check_texts()
        if self.only_between is not None:
            try:
                Hours.parse(self.only_between)
            except ValueError as error:
                raise UsageError(f"--only-between {self.only_between}: {error}") from error
        self._check_recipe()

    def _check_texts(self) -> None:
        if self.notify is not None and not 0 < len(self.notify.encode()) <= MOST_NAME:
            raise UsageError(f"--notify: expected a channel name of 1 to {MOST_NAME} bytes")
        if self.reindex not in (None, *REINDEX):
            raise UsageError(f"--reindex {self.reindex}: expected {' or '.join(REINDEX)}")
        if self.if_finished not in IF_FINISHED:
            raise UsageError(f"--if-finished {self.if_finished}: expected {' or '.join(IF_FINISHED)}")

    def _check_recipe(self) -> None:
        for name in ("expression", "where", "walk", "also"):
            given = getattr(self, name) or ""
            if "\0" in "".join(given):
                raise UsageError(f"--{name}: PostgreSQL has no text with a NUL in it")
        for name in ("expression", "where", "walk"):
            if (given := getattr(self, name)) is not None and not given.strip():
                raise UsageError(f"--{name}: it is empty")
        if self.format is not None and self.expression is not None:
            raise UsageError("--format and --expression both say what new tokens are: give one")
        if self.local_tokens and self.expression is not None:
            raise UsageError("--local-tokens can't make tokens by --expression: leave one of them out")
        _ = self.recipe

    @property
    def recipe(self) -> Recipe:
        """What is written, and into which rows. Raises UsageError for what can't be used."""
        return Recipe(self._form, self.expression, self._companions, self.where)

    @property
    def _form(self) -> TokenFormat | None:
        if self.format is None:
            return None
        try:
            return parse_format(self.format)
        except ValueError as error:
            raise UsageError(f"--format {self.format!r}: {error}") from error

    @property
    def _companions(self) -> tuple[Companion, ...]:
        found: dict[str, Companion] = {}
        for text in self.also:
            try:
                one = parse_companion(text)
            except ValueError as error:
                raise UsageError(f"--also {text!r}: {error}") from error
            if one.column in found:
                raise UsageError(f"--also: {one.column} is named twice")
            found[one.column] = one
        return tuple(found.values())


#: For each numeric option: its flag, minimum, maximum and unit.
LIMITS: dict[str, tuple[str, float, float, str]] = {
    "window": ("--window", 1, LARGEST_SIZE, "rows"),
    "window_seconds": ("--window-seconds", 0.01, 60, "seconds"),
    "workers": ("--workers", 1, MOST_WORKERS, "connections"),
    "lanes": ("--lanes", 1, MOST_LANES, "ranges"),
    "lock_timeout_ms": ("--lock-timeout", 1, 600_000, "milliseconds"),
    "lock_patience": ("--lock-patience", 0, DAY, "seconds"),
    "outage_seconds": ("outage_seconds", 0, DAY, "seconds"),
    "max_lag": ("--max-lag", 0.1, DAY, "seconds"),
    "max_lag_bytes": ("--max-lag-bytes", 1, 10**15, "bytes"),
    "critical_lag": ("--critical-lag", 0.1, DAY, "seconds"),
    "max_wal": ("--max-wal", 1, 10**15, "bytes"),
    "critical_wal": ("--critical-wal", 1, 10**15, "bytes"),
    "min_free": ("--min-free", 1, 10**15, "bytes"),
    "max_waiting": ("--max-waiting", 0, 10_000, "sessions"),
    "max_rate": ("--max-rate", 1, 10**9, "rows a second"),
    "max_wal_rate": ("--max-wal-rate", 1, 10**12, "bytes a second"),
    "stop_after": ("--stop-after", 1, 10**15, "rows"),
    "vacuum": ("--vacuum", 1, 100, "percent"),
    "nice": ("--nice", 0, 1000, "seconds of rest for each second of work"),
}

#: The type of each option, as written above.
TYPES = get_type_hints(Options)

#: Numbers that can be off; without one of the others something is sized, or nothing ends early.
TURNED_OFF = {name for name in LIMITS if NoneType in get_args(TYPES[name])} - {
    "window",
    "lanes",
    "stop_after",
}

IN_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a string",
    tuple: "a list of strings",
    NoneType: "null",
}


#: What decides which rows a rotation changes, and how: it stays the same until the end.
LASTING = ("format", "expression", "also", "where", "walk")


def read_options(given: Any, where: str) -> dict[str, Any]:
    """Options from settings, by their names. Raises UsageError for unknown ones and wrong types."""
    if unknown := given.keys() - TYPES.keys():
        near = difflib.get_close_matches(str(min(unknown, key=str)), TYPES, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"{where}: there is no option {', '.join(sorted(map(repr, unknown)))}{hint}")
    return known_options(given, where, given)


def given_lastingly(options: Options) -> dict[str, Any]:
    """Of LASTING what was given."""
    given = {name: getattr(options, name) for name in LASTING}
    return {name: value for name, value in given.items() if value not in (None, ())}


def known_options(stored: Any, where: str, names: Iterable[str]) -> dict[str, Any]:
    """The named options that JSON holds. Raises UsageError for values of the wrong type."""
    if not isinstance(stored, dict):
        raise UsageError(f"{where} is not an object of options")
    return {name: _checked(name, stored[name], where) for name in names if name in stored}


def _checked(name: str, value: Any, where: str) -> Any:
    """A value from JSON as the option takes it. Raises UsageError if it has the wrong type."""
    hint = TYPES[name]
    if get_origin(hint) is tuple:
        types: set[Any] = {tuple}
        fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
        value = tuple(value) if fits else value
    else:
        # Exactly these types: true is an int to Python. A number without a fraction is a float, too.
        types = set(get_args(hint)) or {hint}
        fits = type(value) in types or (type(value) is int and float in types)
        fits = fits and not (isinstance(value, float) and not math.isfinite(value))
    if not fits:
        expected = " or ".join(words for kind, words in IN_WORDS.items() if kind in types)
        raise UsageError(f"{where} holds a value of {name} that is not {expected}")
    return value


def or_off(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Read a value with `parse`, and 'off' as None."""

    def read(text: str) -> Any:
        return None if text == "off" else parse(text)

    return read


#: What can be changed while a rotation runs, and how its text is read.
TUNABLE: dict[str, Callable[[str], Any]] = {
    "window": or_off(int),
    "window_seconds": float,
    "workers": int,
    "max_lag": or_off(float),
    "max_lag_bytes": or_off(parse_size),
    "max_wal": or_off(parse_size),
    "min_free": or_off(parse_size),
    "max_waiting": or_off(int),
    "max_rate": or_off(float),
    "max_wal_rate": or_off(parse_size_rate),
    "only_between": or_off(str),
    "standbys": lambda text: () if text == "off" else tuple(text.split(",")),
    "throttle_sql": or_off(str),
    "nice": float,
    "vacuum": or_off(float),
}


#: What the command that continues a rotation repeats.
REPEATED = (*TUNABLE, "local_tokens")
#: Of that, what a run goes without unless it is given it again: the rest only sets its size.
BINDING = {*REPEATED} - {"window", "window_seconds", "workers", "vacuum"}


def as_given(value: Any) -> str:
    """An option's value as a person would give it."""
    if value in (None, (), []):
        return "off"
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def as_flags(kept: dict[str, Any], names: Collection[str]) -> str:
    """The flags that give these of a rotation's stored options again, where they are no defaults."""
    flags = ""
    for name in names:
        default = getattr(Options, name)
        value = kept.get(name, default)
        flag = "--" + name.replace("_", "-").removesuffix("s" if name == "standbys" else "")
        if isinstance(value, (list, tuple)):
            flags += "".join(flag_with(flag, str(one)) for one in value)
        elif value is True:
            flags += f" {flag}"
        elif value != default:
            flags += flag_with(flag, as_given(value))
    return flags


def differences(kept: dict[str, Any], options: Options) -> str:
    """In which limits options differ from those stored with a rotation: 'workers=4 max_rate=off'."""
    now = {name: getattr(options, name) for name in REPEATED}
    before = {name: kept.get(name, getattr(Options, name)) for name in REPEATED}
    return " ".join(
        f"{name}={as_given(now[name])}"
        for name in REPEATED
        if as_given(now[name]) != as_given(before[name])
    )


def _can_be_off(name: str) -> bool:
    """Whether an option that is tuned may be turned off."""
    try:
        TUNABLE[name]("off")
    except ValueError:
        return False
    return True


def read_tuning(assignments: list[str]) -> dict[str, Any]:
    """Options from 'window=500 max_rate=off'; 'default' means what each run was started with.

    Raises UsageError for a name or a value that can't be used.
    """
    tuned: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if name not in TUNABLE or not equals:
            raise UsageError(
                f"{assignment!r}: expected NAME=VALUE, with NAME one of {', '.join(TUNABLE)}"
            )
        if name in tuned:
            raise UsageError(f"{assignment!r}: {name} is named twice")
        try:
            tuned[name] = text if text == "default" else TUNABLE[name](text)
        except ValueError as error:
            wanted = f"{LIMITS[name][3]}{', off' * _can_be_off(name)} or default"
            raise UsageError(f"{assignment}: expected {wanted}, not {text!r}") from error
    replace(Options(), **{name: value for name, value in tuned.items() if value != "default"})
    return tuned
