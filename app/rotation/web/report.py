"""Renders the evidence of a rotation: one page, or JSON."""

from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone, translation

from ..engine.state.journal import Point
from ..models import Status
from ..operations.wording import show_option, show_survivors
from .charts import Limit, draw_charts
from .live import pauses_of


def as_json(value: Any) -> str:
    """Serialize what json.dumps can't: datetimes."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not plain data")


def render(evidence: dict[str, Any]) -> str:
    """One self-contained page, ready to print."""
    points = [Point(**point) for point in evidence["journal"]]
    shown = {
        part: {name: show_option(name, value) for name, value in sorted(evidence[part].items())}
        for part in ("options", "tuned")
    }
    # The page says UTC and speaks English, wherever the site is.
    with timezone.override(timezone.get_fixed_timezone(0)), translation.override("en"):
        return render_to_string(
            "rotation/report.html",
            {
                **evidence,
                **shown,
                "verdict": _verdict(evidence),
                "survivors": show_survivors(evidence["proof"]["survivors"]),
                "charts": draw_charts(
                    points,
                    limit=_limit(evidence["limit"]),
                    pauses=pauses_of(evidence["steering"]),
                    interruptions=[
                        (one["left_at"], one["continued_at"]) for one in evidence["interruptions"]
                    ],
                ),
            },
        )


def _limit(kept: dict[str, Any]) -> Limit | None:
    """The latest limit of rows a second, and since when."""
    return Limit(kept["max_rate"], kept["since"]) if kept["max_rate"] else None


def _verdict(evidence: dict[str, Any]) -> str:
    """How the box around the summary looks: a class, or none while the end is open."""
    proof = evidence["proof"]
    status = evidence["rotation"]["status"]
    if status == Status.SUCCEEDED and proof["verified_at"] and proof["survivors"] == 0:
        return " proven"
    bad = proof["verified_at"] and proof["survivors"] != 0
    return " unproven" if bad or status in (Status.FAILED, Status.CANCELLED) else ""
