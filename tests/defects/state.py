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
        "(by_numbers if by_numbers.exists() else by_names)",
        "by_numbers",
        "tests/proof/test_guard_status.py -k in_its_place",
    ),
    Mutant(
        "a rotation waits for none that shares its set",
        f"{ENGINE}/state/rotations.py",
        "        sharing = None if rotation else ",
        "        sharing = None and ",
        "tests/proof/test_taken_over.py -k one_after_the_other",
    ),
    Mutant(
        "two that share a set may start at once",
        "app/rotation/migrations/0001_initial.py",
        "fields=('set_id',)",
        "fields=('set_id', 'id')",
        "tests/proof/test_taken_over.py -k start_at_once",
    ),
    Mutant(
        "a rotation that revoked nothing can't be verified by the one before",
        "app/rotation/operations/verify.py",
        "    if before is None:\n",
        "    if before is None or True:\n",
        "tests/proof/test_taken_over.py -k cancelled_before",
    ),
    Mutant(
        "JSON that Python can't read ends every command",
        "app/rotation/models.py",
        "        except (ValueError, RecursionError):\n",
        "        except ZeroDivisionError:\n",
        "tests/operations/test_serve.py -k by_hand",
    ),
]
