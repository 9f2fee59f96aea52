"""Defects of what a person sees on a terminal, and a program in JSON."""

from tests.defects.mutant import Mutant

MUTANTS = [
    Mutant(
        "a narrow terminal drops the rows of a run that waits",
        "app/rotation/management/bar.py",
        "        [share, rows, short, held],\n        [share.strip(), tight, short, held],\n",
        "",
        "tests/state/test_progress.py -k narrow_terminal",
    ),
    Mutant(
        "NO_COLOR is ignored",
        "app/rotation/management/base.py",
        '        plain = os.environ.get("NO_COLOR") or',
        "        plain =",
        "tests/management/test_colours.py",
    ),
    Mutant(
        "a resumed run says that it installs its guard",
        "app/rotation/engine/runner.py",
        "            phase = GUARD if progress.revoked is None else WINDOWS\n",
        "            phase = GUARD\n",
        "tests/operations/test_progress_json.py -k phase",
    ),
    Mutant(
        "Ctrl-C does not end watching",
        "app/rotation/operations/watch.py",
        "or stop.wait(EVERY_SECONDS)",
        "or (stop.wait(EVERY_SECONDS) and False)",
        "tests/operations/test_watch.py -k drawn_anew",
    ),
    Mutant(
        "watch goes on when the rotation is over",
        "app/rotation/operations/watch.py",
        "status not in UNFINISHED or ",
        "",
        "tests/operations/test_watch.py -k cancelled",
    ),
    Mutant(
        "the dry run's time forgets snapshot and proof",
        "app/rotation/engine/state/forecast.py",
        "        seconds += _beside_windows(session, known, progress) * total\n",
        "        pass\n",
        "tests/operations/test_dry_run.py -k time_by",
    ),
    Mutant(
        "Ctrl-C at the question is answered with windows that there are not",
        "app/rotation/engine/db/stop.py",
        " and not self._silent\n",
        "\n",
        "tests/management/test_slips.py -k signal_is_no",
    ),
    Mutant(
        "a script that watches waits forever for one that nobody works on",
        "app/rotation/operations/watch.py",
        "time.monotonic() - worked_on > patience or ",
        "",
        "tests/operations/test_watch.py -k nobody_works_on",
    ),
    Mutant(
        "the report forgets what a search for copies has found",
        "app/rotation/operations/account.py",
        "    search = _latest_search(rotation)\n    if search and",
        "    search = None\n    if search and",
        "tests/web/test_report.py -k left_to_do",
    ),
    Mutant(
        "limits of a later run are not kept",
        "app/rotation/engine/state/transitions.py",
        "        _note_limits(session, rotation, options)\n",
        "",
        "tests/web/test_report.py -k later_runs",
    ),
    Mutant(
        "a command that is named forgets its database",
        "app/rotation/engine/state/commands.py",
        '    database = rotation._state.db or "default"\n',
        '    database = "default"\n',
        "tests/operations/test_side_by_side.py -k of_which_database",
    ),
    Mutant(
        "a companion may be made of the old token",
        "app/rotation/engine/preflight/own_sql.py",
        "    yield Found(REFUSE if how else WARN, text)\n",
        "    yield Found(WARN, text)\n",
        "tests/table/test_own_sql.py -k companion_of_the_old",
    ),
    Mutant(
        "rows that are gone are said to have got a new token",
        "app/rotation/operations/account.py",
        " and (total is None or progress.rows_done >= total):\n",
        ":\n",
        "tests/web/test_account.py -k came_and_went",
    ),
    Mutant(
        "the dry run's time counts the waits of a rotation that was held back",
        "app/rotation/engine/state/forecast.py",
        "    pace /= 1 - held\n",
        "",
        "tests/operations/test_dry_run.py -k without_the_waits",
    ),
]
