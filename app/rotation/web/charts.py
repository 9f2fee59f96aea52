"""Charts as SVG without their own styles or scripts: for the live page and for the report."""

import math
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ..engine.state.journal import Point

Stretch = tuple[datetime, datetime, str]
WIDTH = 640
HEIGHT = 170
LEFT = 84
RIGHT = 10
TOP = 14
BOTTOM = 24
HELD = "shaded: held back for more than a fifth of the time"
SAMPLE = "a sample of the windows; the report uses every one"
SHADED = 0.2  # stretches in which windows waited for more than this share of the time are shaded
TOLD = 3  # such stretches described in words


def draw_charts(points: list[Point], sampled: bool = False) -> list[SafeString]:
    """Rows a second, and how long windows took, over time."""
    return [
        _chart("Rows a second", points, lambda point: point.rows_per_second, sampled),
        _chart("Milliseconds for a window", points, lambda point: point.milliseconds, sampled),
    ]


def _chart(
    title: str, points: list[Point], value: Callable[[Point], float], sampled: bool
) -> SafeString:
    """One line over time; stretches in which windows were held back are shaded."""
    if len(points) < 2:
        return format_html('<p class="no-chart">{}: not enough windows yet.</p>', title)
    points = sorted(points, key=lambda point: point.at)
    began = points[0].at
    ended = points[-1].at
    values = [value(point) for point in points]
    seconds = max((ended - began).total_seconds(), 0.001)
    step = _step(max(*values, 1e-9) / 3)
    top = step * math.ceil(max(*values, 1e-9) / step)

    def across(at: datetime) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (at - began).total_seconds() / seconds, 1)

    def up(one: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * one / top, 1)

    shaded = list(_stretches(points))
    marks = [(up(step * number), _mark(step * number)) for number in range(round(top / step) + 1)]
    return format_html(
        '<figure class="chart"><figcaption>{title}{legends}</figcaption>'
        '<svg viewBox="0 0 {width} {height}" role="img" aria-label="{told}">{shaded}{grid}'
        '<polyline class="line" fill="none" points="{line}"/>'
        '<text class="tick" x="{left}" y="{foot}">{began}</text>'
        '<text class="tick" x="{right}" y="{foot}" text-anchor="end">{ended}</text></svg></figure>',
        title=title,
        legends=_legends(bool(shaded), sampled),
        width=WIDTH,
        height=HEIGHT,
        told=f"{title}: {_range(values)}{_tell(shaded)}",
        shaded=_shades((across(start), across(end), why) for start, end, why in shaded),
        grid=_grid(marks),
        line=" ".join(f"{across(one.at)},{up(now)}" for one, now in zip(points, values, strict=True)),
        left=LEFT,
        right=WIDTH - RIGHT,
        foot=HEIGHT - 8,
        began=_clock(began),
        ended=f"{_clock(ended)} UTC",
    )


def _shades(stretches: Iterable[tuple[float, float, str]]) -> SafeString:
    """The stretches in which windows were held back, from left to right, and why."""
    return format_html_join(
        "",
        f'<rect class="held" x="{{}}" y="{TOP}" width="{{}}" height="{HEIGHT - TOP - BOTTOM}">'
        "<title>{}</title></rect>",
        ((start, max(1, end - start), why) for start, end, why in stretches),
    )


def _grid(marks: list[tuple[float, str]]) -> SafeString:
    """A line across for each mark, with its text on the left."""
    return format_html_join(
        "",
        '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>',
        ((LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 3, text) for y, text in marks),
    )


def _legends(shaded: bool, sampled: bool) -> SafeString:
    """What the drawing can't say by itself."""
    known = (("legend", HELD, shaded), ("sample", SAMPLE, sampled))
    said = ((name, text) for name, text, applies in known if applies)
    return format_html_join("", ' <span class="{}">{}</span>', said)


def _range(values: list[float]) -> str:
    return f"{min(values):,.0f} to {max(values):,.0f}, at the end {values[-1]:,.0f}"


def _mark(value: float) -> str:
    """A number beside the grid, short enough to fit."""
    return f"{value / 1e6:,.10g} M" if value >= 1e6 else f"{value:,.10g}"


def _tell(shaded: list[Stretch]) -> str:
    """The shaded stretches in words, for screen readers."""
    told = "".join(
        f"; {why}, from {_clock(start)} to {_clock(end)}" for start, end, why in shaded[:TOLD]
    )
    return told + (f"; and {len(shaded) - TOLD} more" if len(shaded) > TOLD else "")


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%H:%M:%S}"


def _stretches(points: list[Point]) -> Iterator[Stretch]:
    """From when to when windows were held back, and why."""
    start: datetime | None = None
    why = ""
    for before, point in pairwise(points):
        if point.throttled > SHADED:
            start = start or before.at
            why = why or f"throttled: {point.throttle}"
        elif start:
            yield start, before.at, why
            start = None
            why = ""
    if start:
        yield start, points[-1].at, why


def _step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999999)
