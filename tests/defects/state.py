"""Deliberate defects in `state`."""

from tests.defects.mutant import ENGINE, Mutant

MUTANTS = [
    Mutant(
        "a verification cannot be cancelled",
        f"{ENGINE}/state/transitions.py",
        "    move(session, rotation, Status.VERIFYING, Status.RUNNING)\n    for",
        "    for",
        "tests/state/test_state.py",
    ),
    Mutant(
        "a list that came during the verification is passed over",
        f"{ENGINE}/state/transitions.py",
        "            leaked=rotation.leaked,\n",
        "",
        "tests/proof/test_meanwhile.py -k older_verdict",
    ),
    Mutant(
        "nobody learns what was tuned",
        f"{ENGINE}/options.py",
        "        if tuned == self._tuned:\n",
        "        if True:\n",
        "tests/state/test_steering.py",
    ),
    Mutant(
        "stored options are of any type",
        f"{ENGINE}/options.py",
        "    if not fits:\n",
        "    if False:\n",
        "tests/state/test_stored_options.py",
    ),
    Mutant(
        "a check of a finished rotation lets partitions take anything",
        f"{ENGINE}/state/transitions.py",
        "if move(session, rotation.pk, Status.SUCCEEDED, Status.FAILED):",
        "if move(session, rotation.pk, Status.SUCCEEDED, Status.FAILED, verifying_at=None):",
        "tests/proof/test_meanwhile.py -k leaves_the_guard",
    ),
    Mutant(
        "a repair lets partitions take anything",
        f"{ENGINE}/state/transitions.py",
        "            move(session, rotation.pk, status, Status.RUNNING, touched_at=Now())\n",
        "            move(session, rotation.pk, status, Status.RUNNING, verifying_at=None)\n",
        "tests/proof/test_partitions.py -k again_and_again",
    ),
    Mutant(
        "a failed verification lets partitions take anything",
        f"{ENGINE}/state/transitions.py",
        "        move(session, rotation, Status.VERIFYING, Status.FAILED, touched_at=Now(), ",
        "        move(session, rotation, Status.VERIFYING, Status.FAILED, verifying_at=None, ",
        "tests/proof/test_partitions.py -k after_a_failed",
    ),
    Mutant(
        "an older verdict finishes a rotation",
        f"{ENGINE}/state/transitions.py",
        "            verifying_at=rotation.verifying_at,\n",
        "",
        "tests/proof/test_meanwhile.py -k older_verdict",
    ),
    Mutant(
        "a rotation is known by its names of the start only",
        "sql/state/find_rotations.sql",
        "    (namespace.nspname::text, relation.relname::text, column_.attname::text)\n",
        "    (known.table_schema, known.table_name, known.token_column)\n",
        "tests/proof/test_verify.py -k renamed_and_verified",
    ),
    Mutant(
        "a table in the place of a guarded one is taken for one never rotated",
        f"{ENGINE}/state/rotations.py",
        "        return by_numbers.first() or by_names.first()\n",
        "        return by_numbers.first()\n",
        "tests/proof/test_guard_status.py -k in_its_place",
    ),
    Mutant(
        "JSON that Python can't read ends every command",
        "app/rotation/models.py",
        "        except (ValueError, RecursionError):\n",
        "        except ZeroDivisionError:\n",
        "tests/operations/test_serve.py -k by_hand",
    ),
    Mutant(
        "windows of earlier limits count for the pace",
        "app/rotation/engine/throttle/monitor.py",
        "        if live.now != self._noted:\n",
        "        if self._noted is None and False:\n",
        "tests/state/test_progress.py -k 'pace_is_that or follows'",
    ),
    Mutant(
        "a limit does not bind the pace",
        "app/rotation/engine/state/progress.py",
        '    paces = [limit] if limit and row["status"] in ROTATING else []\n',
        "    paces = []\n",
        "tests/state/test_progress.py -k 'pace_is_that or follows'",
    ),
]
