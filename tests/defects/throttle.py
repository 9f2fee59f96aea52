"""Deliberate defects in `throttle`."""

from tests.defects.mutant import ENGINE, Mutant

MUTANTS = [
    Mutant(
        "a probe that fails lets windows go",
        f"{ENGINE}/throttle/probes.py",
        'yield f"{what} could not be measured ({error})"',
        "return",
        "tests/throttle/test_query.py",
    ),
    Mutant(
        "a standby's lag is not asked for",
        f"{ENGINE}/throttle/probes.py",
        "if options.max_lag is not None and seconds > options.max_lag:",
        "if options.max_lag is not None and seconds > 10**9:",
        "tests/throttle/test_standbys.py",
    ),
    Mutant(
        "a lost standby is passed over",
        f"{ENGINE}/throttle/probes.py",
        "            if name not in connected:\n",
        "            if name in connected:\n",
        "tests/throttle/test_standbys.py",
    ),
    Mutant(
        "retained WAL is not asked for",
        f"{ENGINE}/throttle/probes.py",
        'row["bytes"] > options.max_wal:',
        'row["bytes"] > 10**18:',
        "tests/throttle/test_wal.py",
    ),
    Mutant(
        "a critical limit ends nothing",
        f"{ENGINE}/throttle/monitor.py",
        '                self._throttle.learn("", 1.0, critical)\n',
        "                self._throttle.learn(str(critical), 1.0)\n",
        "tests/throttle/test_standbys.py",
    ),
    Mutant(
        "each process takes the whole rate for itself",
        f"{ENGINE}/throttle/monitor.py",
        "share = len(ours) / len(everybody) if ours else 1.0",
        "share = 1.0",
        "tests/throttle/test_rate.py",
    ),
    Mutant(
        "the end does not wait for the standbys",
        f"{ENGINE}/throttle/standbys.py",
        "< goal]\n",
        "< 0]\n",
        "tests/throttle/test_standbys.py",
    ),
    Mutant(
        "a disk that fills up holds nothing back",
        f"{ENGINE}/throttle/probes.py",
        "if found and found[0] < options.min_free:",
        "if found and found[0] < 0:",
        "tests/throttle/test_disk.py",
    ),
    Mutant(
        "a watch without a connection lets windows go",
        f"{ENGINE}/throttle/monitor.py",
        "        if isinstance(event, OutageStarted):\n",
        "        if False:\n",
        "tests/throttle/test_monitor.py",
    ),
    Mutant(
        "a standby that comes late counts as soon as it is there",
        f"{ENGINE}/throttle/standbys.py",
        '        goal = goal or max((row["written"] for row in now), default=0)\n',
        "",
        "tests/throttle/test_standbys.py",
    ),
    Mutant(
        "the throttle's query may be several statements",
        "sql/throttle/ask_throttle.sql",
        "    FOR found IN EXECUTE pg_catalog.current_setting('rotation.query') LOOP\n",
        "    EXECUTE pg_catalog.current_setting('rotation.query') INTO found;\n"
        "    FOR one IN 1..1 LOOP\n",
        "tests/throttle/test_query.py -k query_that_would_write",
    ),
    Mutant(
        "what the throttle's query did beside its answer stays",
        f"{ENGINE}/throttle/probes.py",
        "            transaction.set_rollback(True, using=session.alias)\n",
        "",
        "tests/throttle/test_query.py -k query_that_would_write",
    ),
    Mutant(
        "a logical subscriber counts as a standby",
        "sql/throttle/read_standbys.sql",
        "AND slot.slot_type = 'logical'",
        "AND false",
        "tests/throttle/test_standbys.py -k logical",
    ),
    Mutant(
        "windows wait forever for a state that is gone",
        "app/rotation/engine/throttle/monitor.py",
        "            except (Stopped, Refused, DatabaseFailure) as critical:\n",
        "            except (Stopped, Refused) as critical:\n",
        "tests/management/test_next_steps.py -k no_longer",
    ),
]
