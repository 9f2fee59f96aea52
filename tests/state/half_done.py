"""The progress of a rotation that is half done."""

from app.rotation.engine.state.progress import Progress

HALF = Progress(
    rotation=1,
    status="running",
    rows_done=1150,
    rows_total=50_000,
    rows_total_exact=True,
    windows=3,
    lanes=1,
    lanes_done=0,
    rows_per_second=1000.0,
    workers=1,
    started_at=None,
    finished_at=None,
    revoked=50_000,
    survivors=None,
    verified_at=None,
    tokens=50_000,
    holes=0,
    left_over=0,
    left_by_all=False,
    throttle="",
    throttled_share=0.0,
    idle_seconds=0.1,
)
