"""Runs a rotation for a command: signals in, text out, the errors of the contract."""

import resource
from itertools import islice
from typing import Any

from app.rotation.engine import citus, conclusion, copies, guard, preflight, revocation
from app.rotation.engine.database import Session
from app.rotation.engine.driver import RotationDriver
from app.rotation.engine.errors import LockConflict, Refused, RotationError, Stopped, Unproven
from app.rotation.engine.events import REFUSE
from app.rotation.engine.leaked import LeakedList
from app.rotation.engine.options import Options
from app.rotation.engine.phases import why_unproven
from app.rotation.engine.plan import Plan
from app.rotation.engine.progress import Outcome, Progress, read_progress
from app.rotation.engine.stop import StopSwitch, stop_on_signals
from app.rotation.engine.target import Target, TargetName, resolve
from app.rotation.engine.token_list import read_tokens
from app.rotation.engine.units import name_keys, one_line, shown, size
from app.rotation.management.reporter import Reporter, peak_memory_mb
from app.rotation.models import Rotation, Status

MOST_WALKED = 10_000  # windows that a dry run walks to list them, unless asked for all
SHOWN = 3  # windows shown at each end


def run_rotation(
    alias: str,
    name: TargetName,
    options: Options,
    reporter: Reporter,
    new: bool = False,
    reason: str = "",
    leaked: LeakedList | None = None,
) -> None:
    """Begin or resume a rotation and tell how it ended. Raises the engine's errors."""
    stop = StopSwitch()
    try:
        with stop_on_signals(stop):
            driver = RotationDriver(alias, name, options, stop, reporter)
            outcome = driver.run(new=new, reason=reason, leaked=leaked)
    except RotationError as error:
        reporter.close()
        reporter.ended(str(error), error.exit_code)
        raise
    reporter.close()
    reporter.ended(summary(outcome), 0)


def summary(outcome: Outcome) -> str:
    """The last line of a run."""
    progress = outcome.progress
    name = f"rotation {outcome.rotation} of {outcome.target}"
    if outcome.already:
        when = f"{progress.finished_at:%Y-%m-%d %H:%M:%S %Z}" if progress.finished_at else ""
        again = "rotation verify checks again, --new starts another"
        return f"{name} was finished {when}: {progress.rows_done} rows, {_proof(progress)}; {again}"
    memory = peak_memory_mb(resource.getrusage(resource.RUSAGE_SELF))
    pace = f", {outcome.rows / outcome.seconds:.0f} rows/s" if outcome.rows else ""
    return (
        f"{name} succeeded: {progress.rows_done} rows in {progress.windows}"
        f" window{'s' * (progress.windows != 1)}, {_proof(progress)};"
        f" this run: {outcome.rows} rows in {outcome.seconds:.1f} s{pace},"
        f" client memory {memory:.0f} MB"
    )


def _proof(progress: Progress) -> str:
    if progress.verified_at is None:
        return "not verified"
    found = "an unknown number of" if progress.survivors is None else progress.survivors
    return f"{found} revoked tokens survived at {progress.verified_at:%Y-%m-%d %H:%M:%S %Z}"


def verify_rotation(
    session: Session,
    rotation: Rotation,
    leaked: LeakedList | None,
    write: Any,
    search_copies: bool = False,
) -> None:
    """Prove a rotation again, keep the result, and tell it in plain sentences.

    `search_copies`: then search the rest of the database for the revoked tokens.

    Raises Refused if there is nothing to prove, Unproven if the proof fails.
    """
    if rotation.revoked is None:
        raise Refused(
            f"{rotation} has no complete snapshot of revoked tokens, against which it could be verified"
        )
    server = preflight.describe_server(session)
    target = citus.adapt(session, find_rotated(session, rotation), server["citus"])
    session.names.update(target.names)
    citus.settle(session, target, Options())
    complete = read_progress(session, rotation.pk).complete
    # The list first: whoever gave a bad one need not wait for the proof to learn of it.
    listed = revocation.verify_listed(session, rotation, target, leaked) if leaked else None
    verdict = revocation.verify(session, rotation, target, Options())
    conclusion.record(session, rotation, verdict)
    problems = _of_proof(rotation, target, verdict, complete, write)
    if target.distribution is None and not guard.stands(guard.find_guard(session, target)):
        write(f"note: nothing keeps revoked tokens out of {target.label}: see rotation guard status")
    if leaked and listed:
        problems += _of_listed(target, leaked, listed, write)
    if search_copies:
        problems += _search(session, target, rotation, write)
    if problems:
        raise Unproven(" | ".join(problems))


def find_rotated(session: Session, rotation: Rotation) -> Target:
    """The column that was rotated: by the names of the start, or, if it was renamed, by its numbers.

    Names come first: where a dump was restored, another table may have the number. Raises Refused if
    it is gone.
    """
    names = (rotation.table_name, rotation.token_column, rotation.pk_column, rotation.table_schema)
    numbers = {"oid": rotation.table_oid, "attnum": rotation.token_attnum}
    now = next(iter(session.rows("look_at_target", **numbers)), None)
    try:
        target = resolve(session, TargetName(*names), inheritance=True)
        if target.oid != rotation.table_oid or target.attnum == rotation.token_attnum:
            return target
    except Refused:
        if now is None:
            raise
    if now is None:
        raise Refused(
            f"{target.label} is another column than the one that was rotated, which was dropped:"
            " rotate this one"
        )
    name = TargetName(now["table"], now["column"], None, now["schema"])
    return resolve(session, name, inheritance=True)


def _of_proof(
    rotation: Rotation, target: Target, verdict: revocation.Verdict, complete: bool, write: Any
) -> list[str]:
    """Tell what a verification found, if that is nothing; else return a sentence."""
    problems = []
    if verdict.conclusive and verdict.survivors and not complete:
        ended, then = "is not finished", "go on"
        if rotation.status == Status.CANCELLED:
            ended, then = "was cancelled", "begin another one, over all rows"
        problems.append(
            f"{rotation} {ended}: {verdict.survivors} of {verdict.expected} revoked tokens are"
            f" still in use; run {target.command} to {then}"
        )
    elif not verdict.clean:
        problems.append(why_unproven(verdict, target))
    else:
        write(verdict.sentence(target.label))
    for note in verdict.notes:
        write(f"note: {note}")
    if rotation.token_type != target.column_type:
        write(
            f"note: {target.label} was {rotation.token_type} when it was rotated, and is"
            f" {target.column_type} now: compared by value all the same"
        )
    if rotation.target != f"{target.schema}.{target.table}.{target.column}":
        write(f"note: {target.label} was called {one_line(rotation.target)} when it was rotated")
    if rotation.table_oid != target.oid:
        write(f"note: {target.label} is another table than the one that was rotated, of the same name")
    return problems


def _of_listed(
    target: Target, leaked: LeakedList, listed: revocation.LeakedVerdict, write: Any
) -> list[str]:
    """Tell what the comparison with a list found, if that is nothing; else return a sentence."""
    sentence = listed.sentence(target.label)
    if not listed.valid:
        write(sentence)
        return []
    named = name_keys(target.pk, listed.keys, listed.valid)
    return [f"{sentence}: {named}; run {target.command} --new --leaked {leaked.name} to rotate them"]


def _search(session: Session, target: Target, rotation: Rotation, write: Any) -> list[str]:
    """Search the database for copies, with progress; a sentence for each column that holds some."""
    session.emit = lambda event: write(str(event))
    done = copies.search(session, target, rotation)
    for one in done.skipped:
        write(f"not searched: {one}")
    if not done.found:
        write(done.sentence)
    return done.found


def plan_rotation(
    alias: str,
    name: TargetName,
    options: Options,
    reporter: Reporter,
    new: bool,
    everything: bool,
    leaked: LeakedList | None = None,
) -> None:
    """Print what a run would do now. Nothing is written to the database."""
    stop = StopSwitch(patient=False)
    with stop_on_signals(stop):
        driver = RotationDriver(alias, name, options, stop, reporter)
        try:
            show_plan(driver, reporter.line, new, everything)
            if leaked:
                listed = sum(1 for _ in read_tokens(leaked.name, leaked.stream, driver.target.column))
                reporter.line(f"leaked     {listed} tokens in {leaked.name}, to be revoked too")
        except LockConflict as conflict:
            raise Stopped(f"dry run ended ({stop.reason or conflict})") from conflict


def show_plan(
    driver: RotationDriver, write: Any, new: bool, everything: bool, walked: int | None = None
) -> None:
    """Print the plan, with all its windows or the first and last; at most `walked` are looked up.

    Raises Refused, after the findings, if one of them forbids the run.
    """
    rotation = driver.unfinished(new)
    finished = None if rotation or new else driver.finished()
    server, target = driver.server, driver.target
    write("Dry run: nothing is written.")
    where = f" at {server['address']}" if server["address"] else ""
    write(f"server     PostgreSQL {server['version_text']}{where}, database {server['database']}")
    write(f"target     {target.label}, primary key {target.pk} ({target.pk_type})")
    if finished:
        what = "rebuild the token's indexes" if driver.options.reindex else "do nothing"
        write(f"would      {what}: rotation {finished.pk} is finished; --new starts another")
        return
    findings = driver.findings()
    for finding in findings:
        write(f"{finding.level:<10} {finding.text}")
    if findings and findings[0].level == REFUSE:
        raise Refused(f"as things are, a run would not begin: {findings[0].text}")
    plan = driver.plan(rotation, count=True)
    write(f"would      {_intent(plan, rotation)}")
    about = "" if plan.size.exact else "~"
    known = plan.size.keys is not None
    counts = f"{about}{plan.size.keys}, {about}{plan.size.tokens} with a token"
    write(f"rows       {counts if known else 'unknown: ANALYZE the table for an estimate'}")
    for lane in plan.lanes:
        begun = f", done up to {shown(lane.last_id)}" if lane.last_id else ""
        write(f"lane {lane.lane}     {shown(lane.lower)}..{shown(lane.upper)}{begun}")
    if plan.statement:
        _show_windows(driver, plan, write, None if everything else walked or MOST_WALKED)
        _show_statement(plan, write)


def _intent(plan: Plan, rotation: Rotation | None) -> str:
    if rotation:
        return f"go on with rotation {rotation.pk}, begun by {rotation.operator}@{rotation.host}"
    return "begin a new rotation" if plan.lanes else "begin a new rotation; the table has no rows"


def _show_windows(driver: RotationDriver, plan: Plan, write: Any, most: int | None) -> None:
    sized = "at most" if plan.options.window else "sized while running; shown here as if each held"
    write(f"windows    one transaction each, {sized} {plan.window_size} rows:")
    total = 0
    last: list[str] = []
    walk = driver.walk(plan)
    for window in islice(walk, most):
        total += 1
        text = f"{total:>9}  {window}  ({window.keys} rows)"
        if most is None or total <= SHOWN:
            write(text)
        else:
            last = [*last, text][-SHOWN:]
    complete = most is None or next(walk, None) is None
    walk.close()
    if complete:
        if total > 2 * SHOWN and most is not None:
            write("      ...")
        for text in last:
            write(text)
        write(f"           {total} in all")
    else:
        estimate = f"about {-(-plan.size.keys // plan.window_size)}" if plan.size.keys else "more"
        write("      ...")
        write(f"           up to {plan.lanes[-1].upper}; {estimate} in all; --dry-run -v 2 lists them")


def _show_statement(plan: Plan, write: Any) -> None:
    lines = plan.statement.splitlines()
    write(f"statement  {lines[0]}")
    for line in lines[1:]:
        write(f"           {line}")
    write(f"found by   {plan.explained}")
    if plan.size.wal_bytes:
        least, most = plan.size.wal_bytes
        write(f"WAL        about {size(least)}, at the most {size(most)} with full-page images")
    write(f"disk       grows by at most {size(plan.size.growth_bytes)} until the next vacuum")
