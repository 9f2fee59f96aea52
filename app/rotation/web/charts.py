"""Charts as SVG without their own styles or scripts: for the live page and for the report."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ..engine.state.journal import Point

WIDTH = 640
HEIGHT = 170
LEFT = 84
RIGHT = 10
TOP = 14
BOTTOM = 24
LETTER = 11  # of a label, at most, where a phone enlarges it
HELD = "shaded: held back for more than a fifth of the time"
SAMPLE = "a sample of the windows; the report uses every one"
SHADED = 0.2  # stretches in which windows waited for more than this share of the time are shaded
AROUND = 9  # windows that a point's pace is an average of, from its own on
THROUGHOUT = 0.8  # share of the time from which shading tells nothing: it is said instead
TOLD = 3  # such stretches described in words
FAR = 3.0  # times the usual distance between points, from which there is a gap between them
SEEN = 0.015  # of the width, below which a gap can't be seen
LEAST_GAP = 1.0  # seconds; shorter ones are how windows happen to end
RATE = "rate"  # waits for the limit of rows a second: they are how it works, and no gaps
NO_WINDOWS = "no windows"  # for a gap whose reason the journal does not hold


@dataclass(frozen=True)
class Limit:
    """A limit of rows a second."""

    rate: float
    since: datetime | None  #: None: from the start


@dataclass(frozen=True)
class Stretch:
    """A part of the time, and why it is special."""

    start: datetime
    end: datetime
    why: str

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.start).total_seconds()

    @property
    def label(self) -> str:
        """Its reason in a word or two, for the drawing."""
        return self.why.removeprefix("throttled: ").partition(" (")[0].partition(": ")[0]


@dataclass(frozen=True)
class Story:
    """What both charts show besides their lines: the same stretches of time."""

    points: list[Point]  #: in their order, at least two
    gaps: list[Stretch]  #: without any window
    shaded: list[Stretch]  #: in which windows were held back
    throughout: str  #: why they were held back all the time; or nothing

    @property
    def began(self) -> datetime:
        """When the first window ended."""
        return self.points[0].at

    @property
    def ended(self) -> datetime:
        """When the last one did."""
        return self.points[-1].at

    def across(self, at: datetime) -> float:
        """Where a moment is drawn, from the left."""
        seconds = max((self.ended - self.began).total_seconds(), 0.001)
        share = min(1.0, max(0.0, (at - self.began).total_seconds() / seconds))
        return round(LEFT + (WIDTH - LEFT - RIGHT) * share, 1)


def draw_charts(
    points: list[Point],
    sampled: bool = False,
    limit: Limit | None = None,
    pauses: Sequence[tuple[datetime, datetime]] = (),
    interruptions: Sequence[tuple[datetime, datetime]] = (),
) -> list[SafeString]:
    """Rows a second, and how long windows took, over time.

    `limit` is drawn as a line, if it is near the pace. At `pauses` and `interruptions` there are gaps.
    """
    known = [*((*one, "paused") for one in pauses), *((*one, NO_WINDOWS) for one in interruptions)]
    told = _tell_story(points, limit, known) if len(points) > 1 else None
    return [
        _chart("Rows a second", _without_tails(told), lambda one: one.rows_per_second, sampled, limit),
        _chart("Milliseconds for a window", told, lambda one: one.milliseconds, sampled),
    ]


def _tell_story(
    points: list[Point], limit: Limit | None, known: Sequence[tuple[datetime, datetime, str]]
) -> Story:
    """Find the gaps, and what is worth shading."""
    points = sorted(points, key=lambda point: point.at)
    gaps = [one for one in _gaps(points, known) if one.label != RATE]
    held = [one for one in _stretches(points) if not (limit and one.label == RATE)]
    ends = {(gap.start, gap.why) for gap in gaps}
    held = [one for one in held if (one.end, one.why) not in ends]  # the gap tells it
    whole = (points[-1].at - points[0].at).total_seconds()
    if held and sum(one.seconds for one in held) > THROUGHOUT * whole:
        return Story(points, gaps, [], held[0].why)
    return Story(points, gaps, held, "")


def _chart(
    title: str,
    story: Story | None,
    value: Callable[[Point], float],
    sampled: bool,
    limit: Limit | None = None,
) -> SafeString:
    """One line over time, with gaps where no window was, and shaded where they were held back."""
    if story is None:
        return format_html('<p class="no-chart">{}: not enough windows yet.</p>', title)
    values = [value(point) for point in story.points]
    most = max(*values, 1e-9)
    limit = limit if limit and limit.rate <= 1.5 * most else None
    most = max(most, limit.rate) if limit else most
    step = _step(most / 3)
    top = step * math.ceil(most / step * 0.999999)

    def up(one: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * one / top, 1)

    marks = [(up(step * number), _mark(step * number)) for number in range(round(top / step) + 1)]
    dots = [(story.across(one.at), up(now)) for one, now in zip(story.points, values, strict=True)]
    return format_html(
        '<figure class="chart"><figcaption>{title}{legends}</figcaption>'
        '<svg viewBox="0 0 {width} {height}" role="img" aria-label="{told}">{shaded}{grid}{limit}'
        "{lines}{labels}"
        '<text class="tick" x="{left}" y="{foot}">{began}</text>'
        '<text class="tick" x="{right}" y="{foot}" text-anchor="end">{ended}</text></svg></figure>',
        title=title,
        legends=_legends(story, sampled),
        width=WIDTH,
        height=HEIGHT,
        told=f"{title}: {_range(values)}{_tell(story, limit)}",
        shaded=_shades(story),
        grid=_grid(marks),
        limit=_draw_limit(limit, story, up) if limit else "",
        lines=_lines(dots, story),
        labels=_labels(story),
        left=LEFT,
        right=WIDTH - RIGHT,
        foot=HEIGHT - 8,
        began=_clock(story.began),
        ended=f"{_clock(story.ended)} UTC",
    )


def _lines(dots: list[tuple[float, float]], story: Story) -> SafeString:
    """The line in as many pieces as the gaps leave; a point between two gaps is a dot."""
    starts = {one.start for one in story.gaps}
    pieces: list[list[tuple[float, float]]] = []
    again = True
    for point, dot in zip(story.points, dots, strict=True):
        if again:
            pieces.append([dot])  # twice: a line from a point to itself is a dot
        pieces[-1].append(dot)
        again = point.at in starts
    return format_html_join(
        "",
        '<polyline class="line" fill="none" stroke-linecap="round" points="{}"/>',
        ((" ".join(f"{x},{y}" for x, y in one),) for one in pieces),
    )


def _labels(story: Story) -> SafeString:
    """Why there is a gap or a shade, written where it is, if there is room."""
    placed = []
    empty = {one.start for one in story.gaps}
    for one in (*story.gaps, *(one for one in story.shaded if one.start not in empty)):
        left, right = story.across(one.start), story.across(one.end)
        if len(one.label) * LETTER <= right - left:
            placed.append(((left + right) / 2, TOP + 14, one.label))
    return format_html_join("", '<text class="why" x="{}" y="{}" text-anchor="middle">{}</text>', placed)


def _draw_limit(limit: Limit, story: Story, up: Callable[[float], float]) -> SafeString:
    """The limit as a line, since it is what it is."""
    start = story.across(limit.since or story.began)
    y = up(limit.rate)
    return format_html(
        '<line class="limit" x1="{}" x2="{}" y1="{}" y2="{}" stroke-dasharray="6 4"/>'
        '<text class="why" x="{}" y="{}" text-anchor="end">limit {}</text>',
        *(start, WIDTH - RIGHT, y, y, WIDTH - RIGHT, round(y - 5, 1), _mark(limit.rate)),
    )


def _shades(story: Story) -> SafeString:
    """The stretches in which windows were held back, from left to right, and why."""
    places = ((story.across(one.start), story.across(one.end), one.why) for one in story.shaded)
    return format_html_join(
        "",
        f'<rect class="held" x="{{}}" y="{TOP}" width="{{}}" height="{HEIGHT - TOP - BOTTOM}">'
        "<title>{}</title></rect>",
        ((start, max(1, round(end - start, 1)), why) for start, end, why in places),
    )


def _grid(marks: list[tuple[float, str]]) -> SafeString:
    """A line across for each mark, with its text on the left."""
    return format_html_join(
        "",
        '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>',
        ((LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 3, text) for y, text in marks),
    )


def _legends(story: Story, sampled: bool) -> SafeString:
    """What the drawing can't say by itself."""
    known = (
        ("legend", HELD, bool(story.shaded)),
        ("throughout", f"held back throughout, {story.throughout}", bool(story.throughout)),
        ("sample", SAMPLE, sampled),
    )
    said = ((name, text) for name, text, applies in known if applies)
    return format_html_join("", ' <span class="{}">{}</span>', said)


def _range(values: list[float]) -> str:
    return f"{min(values):,.0f} to {max(values):,.0f}, at the end {values[-1]:,.0f}"


def _mark(value: float) -> str:
    """A number beside the grid, short enough to fit."""
    return f"{value / 1e6:,.10g} M" if value >= 1e6 else f"{value:,.10g}"


def _tell(story: Story, limit: Limit | None) -> str:
    """The limit, shaded stretches and gaps in words, for screen readers."""
    told = f"; limit {_mark(limit.rate)}" if limit else ""
    told += f"; held back throughout, {story.throughout}" if story.throughout else ""
    for stretches in (story.shaded, story.gaps):
        told += "".join(
            f"; {one.why}, from {_clock(one.start)} to {_clock(one.end)}" for one in stretches[:TOLD]
        )
        told += f"; and {len(stretches) - TOLD} more" if len(stretches) > TOLD else ""
    return told


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%H:%M:%S}"


def _gaps(points: list[Point], known: Sequence[tuple[datetime, datetime, str]]) -> Iterator[Stretch]:
    """Between which points no window was: where that is known, and where they are far apart.

    How far apart they usually are changes with the pace, so each distance is compared with those on
    either side of it. A window that took long is no gap.
    """
    pairs = list(pairwise(points))
    apart = [
        (after.at - before.at).total_seconds() - after.milliseconds / 1000 for before, after in pairs
    ]
    least = max(LEAST_GAP, SEEN * (points[-1].at - points[0].at).total_seconds())
    for number, (before, after) in enumerate(pairs):
        around = apart[max(0, number - 1) : number] + apart[number + 1 : number + 2]
        known_why = [why for began, ended, why in known if began < after.at and ended > before.at]
        far = apart[number] > FAR * max(around, default=math.inf)
        if apart[number] < least or not (known_why or far):
            continue
        why = known_why[0] if known_why else NO_WINDOWS
        if not known_why:  # a point's averages are of the windows from its own on
            held = [one for one in (before, after) if one.throttle and one.throttled > SHADED]
            why = f"throttled: {held[0].throttle}" if held else why
        yield Stretch(before.at, after.at, why)


def _without_tails(story: Story | None) -> Story | None:
    """Without the points just before a gap whose pace, an average, counts the gap too."""
    if story is None:
        return None
    kept = story.points
    gaps = []
    for gap in story.gaps:
        before = [one for one in kept if one.at <= gap.start]
        near = before[-AROUND:]
        tail = [one for one in near if one.rows_per_second < near[0].rows_per_second / 2]
        kept = [one for one in kept if one not in tail]
        gaps.append(replace(gap, start=max(one.at for one in before if one not in tail)))
    return replace(story, points=kept, gaps=gaps)


def _stretches(points: list[Point]) -> Iterator[Stretch]:
    """From when to when windows were held back, and why."""
    now: Stretch | None = None
    for before, point in pairwise(points):
        if point.throttled > SHADED:
            now = now or Stretch(before.at, point.at, f"throttled: {point.throttle}")
            now = replace(now, end=point.at)
        elif now:
            yield now
            now = None
    if now:
        yield now


def _step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999999)
