"""Deliberate defects in commands and operations."""

from tests.defects.mutant import Mutant

MUTANTS = [
    Mutant(
        "a closed output ends the run",
        "app/rotation/management/console.py",
        "except (OSError, ValueError, AttributeError):  # closed pipe",
        "except ZeroDivisionError:  # closed pipe",
        "tests/work/test_interruption.py",
    ),
    Mutant(
        "one database that is refused lets the others begin",
        "app/rotation/operations/databases.py",
        "            require_fit(alias, asked, stop)\n",
        "            pass\n",
        "tests/operations/test_side_by_side.py",
    ),
    Mutant(
        "a health check needs a host's name",
        "app/middleware.py",
        '        if request.path_info == "/healthz":\n',
        "        if False:\n",
        "tests/web/test_production.py",
    ),
    Mutant(
        "a process that serves runs a query that the database holds",
        "app/rotation/operations/serve.py",
        "        return replace(kept, throttle_sql=self.throttle_sql)\n",
        "        return replace(kept, throttle_sql=self.throttle_sql or kept.throttle_sql)\n",
        "tests/operations/test_serve.py",
    ),
    Mutant(
        "one bad rotation ends the process that serves all",
        "app/rotation/operations/serve.py",
        "            if not early:\n",
        "            raise\n            if not early:\n",
        "tests/operations/test_serve.py",
    ),
    Mutant(
        "another column of the name is verified",
        "app/rotation/operations/verify.py",
        "        if target.oid != rotation.table_oid or target.attnum == rotation.token_attnum:\n",
        "        if True:\n",
        "tests/proof/test_verify.py -k another_column",
    ),
    Mutant(
        "a column that was renamed can't be verified",
        "app/rotation/operations/verify.py",
        "    except Refused:\n        if now is None:\n",
        "    except Refused:\n        if True:\n",
        "tests/proof/test_verify.py -k renamed_and_verified",
    ),
    Mutant(
        "SQL is composed elsewhere",
        "app/rotation/operations/wording.py",
        "from typing import Any\n",
        "from typing import Any\n\nfrom psycopg2 import sql as sql\n",
        "tests/test_house.py -k composes",
    ),
    Mutant(
        "a serving process lends its rights to any table's owner",
        "app/rotation/operations/serve.py",
        "            require_trusted(driver)\n",
        "",
        "tests/proof/test_lent_rights.py -k serving",
    ),
]
