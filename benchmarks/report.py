"""A table of figures and its plot: printed, and with --write put into docs/benchmarks.md."""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measuring import PROJECT, say

PAGE = PROJECT / "docs" / "benchmarks.md"
PLOTS = PROJECT / "docs" / "plots"


@dataclass(frozen=True)
class Plot:
    """Horizontal bars: for each label one bar of every series."""

    unit: str
    labels: list[str]
    series: dict[str, list[float]]
    logarithmic: bool = False


@dataclass(frozen=True)
class Table:
    """Figures of one benchmark. `caption` is the head of the first column: of what, how often."""

    caption: str
    columns: list[str]
    rows: dict[str, list[str]]
    plot: Plot
    remarks: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """The table, with the remarks below."""
        lines = [
            "| " + " | ".join([self.caption, *self.columns]) + " |",
            "|---" * (1 + len(self.columns)) + "|",
            *("| " + " | ".join([name, *cells]) + " |" for name, cells in self.rows.items()),
        ]
        return "\n".join([*lines, *("\n" + remark for remark in self.remarks)])


def publish(name: str, command: str, machine: str, table: Table, write: bool, into: Path = PAGE) -> None:
    """Print a table, and put it with its plot between the page's marks for this benchmark."""
    say(f"\n{table.markdown()}")
    if not write:
        return
    begin, end = f"<!-- bench {name} -->\n", f"<!-- end {name} -->\n"
    page = into.read_text()
    if begin not in page or end not in page:
        sys.exit(f"{into} has no marks {begin.strip()} and {end.strip()}")
    draw(name, table.plot)
    section = f"`{command}`: {machine}\n\n{table.markdown()}\n\n![{name}](plots/{name}.png)\n"
    pattern = re.escape(begin) + ".*" + re.escape(end)
    into.write_text(re.sub(pattern, lambda _: begin + section + end, page, flags=re.DOTALL))
    say(f"written into {into.relative_to(PROJECT)}")


def draw(name: str, plot: Plot) -> None:
    """Draw the bars into docs/plots/NAME.png."""
    import matplotlib  # noqa: PLC0415 (a second to load: only for those who write)

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    thickness = 0.8 / len(plot.series)
    height = 0.9 + 0.42 * len(plot.labels) * max(1, len(plot.series) / 2)
    figure, axes = pyplot.subplots(figsize=(8, height), layout="constrained")
    for number, (series, values) in enumerate(plot.series.items()):
        places = [place + (number + 0.5) * thickness - 0.4 for place in range(len(values))]
        bars = axes.barh(places, values, height=thickness, label=series)
        axes.bar_label(
            bars,
            [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values],
            padding=3,
            fontsize=8,
        )
    axes.set_yticks(range(len(plot.labels)), [label.replace("`", "") for label in plot.labels])
    axes.invert_yaxis()
    axes.set_xlabel(plot.unit)
    axes.margins(x=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    if plot.logarithmic:
        axes.set_xscale("log")
    if len(plot.series) > 1:
        axes.legend(fontsize=8)
    PLOTS.mkdir(exist_ok=True)
    figure.savefig(PLOTS / f"{name}.png", dpi=110)
