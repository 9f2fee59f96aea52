"""What a run is asked to do, validated in one place for the command line, tuning and the web."""

from dataclasses import dataclass

from app.rotation.engine.errors import UsageError
from app.rotation.engine.windows import LARGEST_SIZE


@dataclass(frozen=True)
class Options:
    """Options of one run. Raises UsageError, naming the flag, for a value that can't be used."""

    window: int | None = None  #: rows of a window; None: sized to `window_seconds`
    window_seconds: float = 0.3  #: seconds that an auto-sized window aims at
    lock_timeout_ms: int = 200  #: milliseconds that a window waits for one lock
    lock_patience: float = 60.0  #: seconds of conflicts in a row before the run gives up
    outage_seconds: float = 60.0  #: seconds without a database before the run gives up
    guard: bool = True  #: a guard keeps revoked tokens from being written back
    verify: bool = True  #: the end is proven by value
    ack_triggers: bool = False  #: the target's triggers are known to keep no copy of old tokens
    allow_fk: bool = False  #: what foreign keys to the token do to other tables is wanted

    def __post_init__(self) -> None:
        if self.window is not None:
            _within("--window", self.window, 1, LARGEST_SIZE, "rows")
        _within("--window-seconds", self.window_seconds, 0.01, 60, "seconds")
        _within("--lock-timeout", self.lock_timeout_ms, 1, 600_000, "milliseconds")
        _within("--lock-patience", self.lock_patience, 0, 86_400, "seconds")


def _within(flag: str, value: float, least: float, most: float, unit: str) -> None:
    if not least <= value <= most:
        raise UsageError(f"{flag} {value}: give {unit} from {least} to {most}")
