"""Progress as one line: the brief's, and a bar as wide as the terminal."""

from collections.abc import Iterator

from ..engine.state.progress import Progress
from ..engine.text import abbreviated, duration
from ..models import HALTED

FULL, EMPTY = "█", "░"
SHORTEST_BAR = 6  # columns
FAIR_BAR = 12  # which a reason to wait leaves
LONGEST_BAR = 40
ECHOED = 4  # columns at the end of a row, where the terminal echoes ^C
SHORTEST_REASON = 12  # characters; less of one says nothing
CUT = "..."


def progress_line(progress: Progress) -> str:
    """The brief's line: `completed: 30.30 % (15150 of 50000) | remaining time:   21 second(s)`."""
    percent = progress.percent
    eta = progress.eta_seconds
    held = _held(progress)
    if progress.in_snapshot:
        return f"{_snapshot(progress)} | {held}" if held else _snapshot(progress)
    if progress.verifying:
        return _verification(progress)
    share = "unknown" if percent is None else f"{percent:5.2f} %"
    left = "unknown" if eta is None else f"{eta:4.0f} second(s)"
    line = f"completed: {share} ({_of_total(progress)}) | remaining time: {left}"
    if progress.holes:
        line += f" | {progress.holes} left for the end"
    if progress.rows_per_second:
        line += f" | {progress.rows_per_second:.0f} rows/s"
    if progress.workers > 1:
        line += f" | {progress.workers} workers"
    return f"{line} | {held}" if held else line


def progress_bar(progress: Progress, columns: int) -> str:
    """One line that fits the terminal: bar, percent, rows, pace, remaining time, what holds it back.

    Where space is tight, the reason to wait is cut first; then words get shorter; then the pace goes. In
    50 columns there are still bar, percent, rows, remaining time, and whether it is held back.
    """
    room = max(1, columns - ECHOED)
    if progress.in_snapshot or progress.verifying:
        return _phase(progress, room)
    beside = room - SHORTEST_BAR - 1
    choices = [text for text in _choices(progress) if len(text) <= beside]
    if not choices:
        return _percent(progress).strip()[:room]
    text = choices[0] + _reason(progress, room - FAIR_BAR - 1 - len(choices[0]))
    width = min(LONGEST_BAR, room - len(text) - 1)
    filled = int(width * (progress.percent or 0) / 100)
    return FULL * filled + EMPTY * (width - filled) + " " + text


def _choices(progress: Progress) -> Iterator[str]:
    """What may stand beside the bar, from the longest to the shortest."""
    eta = progress.eta_seconds
    share = _percent(progress)
    whole = "?" if progress.percent is None else f"{int(progress.percent)}%"
    moving = progress.rows_per_second and progress.status not in HALTED
    pace = f"{progress.rows_per_second:.0f} rows/s" if moving else ""
    by = f"{pace} by {progress.workers} workers" if pace and progress.workers > 1 else pace
    rows = _of_total(progress)
    left = "remaining: " + ("unknown" if eta is None else duration(eta))
    short = "? left" if eta is None else f"{duration(eta)} left"
    held = _held_back(progress)
    word = held.partition(" ")[0]
    about = "" if progress.rows_total_exact else "~"
    total = "?" if progress.rows_total is None else f"{about}{abbreviated(progress.rows_total)}"
    tight = f"{abbreviated(_done(progress))}/{total}"
    for fields in (
        [share, rows, by, left, held],
        [share, rows, pace, left, held],
        [share, rows, pace, short, held],
        [share, rows, short, held],
        [share.strip(), tight, short, held],
        [whole, tight, short, held],
        [whole, tight, short, word],
        [whole, tight, short],
        [whole, short],
        [whole],
    ):
        yield "  ".join(filter(None, fields))


def _percent(progress: Progress) -> str:
    return "    ?  " if progress.percent is None else f"{progress.percent:6.2f} %"


def _held_back(progress: Progress) -> str:
    """That windows wait, and for what share of the time; empty if neither is worth showing."""
    if progress.status in HALTED:
        return "paused"
    if progress.throttled_share >= 0.01:
        return f"throttled {progress.throttled_share:.0%}"
    return "throttled" if progress.throttle else ""


def _reason(progress: Progress, room: int) -> str:
    """Why windows wait now, cut to what is left of the row."""
    if not progress.throttle or progress.status in HALTED:
        return ""
    text = f": {progress.throttle}"
    return cut(text, room) if room >= min(len(text), SHORTEST_REASON) else ""


def _held(progress: Progress) -> str:
    """The same with the reason in full."""
    held = _held_back(progress)
    if progress.status in HALTED or not held:
        return held
    if held == "throttled":
        return f"throttled: {progress.throttle}"
    return f"{held} of the time" + (f", now by {progress.throttle}" if progress.throttle else "")


def cut(text: str, room: int) -> str:
    """Text within so many columns, with a mark where it was cut."""
    return text if len(text) <= room else text[: max(0, room - len(CUT))] + CUT[:room]


def _phase(progress: Progress, room: int) -> str:
    """A phase without a bar, in the words that fit."""
    if progress.verifying:
        choices = [_verification(progress), "phase 4 of 4: comparing every token"]
    else:
        held = _held(progress)
        whole = _snapshot(progress)
        short = f"phase 2 of 4: {_snapshotted(progress)} tokens"
        choices = [f"{whole} | {held}" if held else whole, whole, short]
    return next((text for text in choices if len(text) <= room), choices[-1])[:room]


def _snapshot(progress: Progress) -> str:
    return f"phase 2 of 4: snapshot of tokens to revoke: {_snapshotted(progress)}"


def _snapshotted(progress: Progress) -> str:
    total = progress.rows_total
    # They are known by the pages that they fill, the last of them perhaps in part.
    if total is None:
        return f"about {progress.tokens}"
    return f"{min(progress.tokens, total)} of {_total(progress)}"


def _verification(progress: Progress) -> str:
    return f"phase 4 of 4: comparing every token with the {progress.revoked} revoked ones"


def _done(progress: Progress) -> int:
    # Survivors are rotated twice: never show more rows than were counted.
    counted = progress.rows_total if progress.rows_total_exact else None
    return progress.rows_done if counted is None else min(progress.rows_done, counted)


def _of_total(progress: Progress) -> str:
    return f"{_done(progress)} of {_total(progress)}"


def _total(progress: Progress) -> str:
    if progress.rows_total is None:
        return "unknown"
    return f"{'' if progress.rows_total_exact else '~'}{progress.rows_total}"
