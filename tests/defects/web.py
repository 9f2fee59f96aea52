"""Deliberate defects in the site."""

from tests.defects.mutant import Mutant

MUTANTS = [
    Mutant(
        "a page without a state is an error of the site",
        "app/rotation/admin.py",
        "            except RotationError as error:",
        "            except ZeroDivisionError as error:",
        "tests/web/test_pages.py -k no_state",
    ),
    Mutant(
        "tuning from the page takes back what another has tuned",
        "app/rotation/web/views.py",
        """shown = asked.get(f"shown_{one['name']}", one["now"])""",
        """shown = one["now"]""",
        "tests/web/test_steering.py",
    ),
    Mutant(
        "the plan shows any table to anybody who may add a rotation",
        "app/rotation/web/forms.py",
        "    if user.is_superuser:\n",
        "    if True:\n",
        "tests/web/test_form.py",
    ),
    Mutant(
        "a table is one that may be seen by its name alone",
        "app/rotation/web/forms.py",
        "    return bool(asked) and asked == of_model\n",
        "    return bool(asked)\n",
        "tests/web/test_form.py",
    ),
    Mutant(
        "a page takes an arrow itself",
        "app/rotation/web/views.py",
        "from ..operations import steer\n",
        "from ..engine.state import transitions as transitions\nfrom ..operations import steer\n",
        "tests/test_house.py -k faces",
    ),
    Mutant(
        "the package knows its own name",
        "app/rotation/admin.py",
        "from .models import ",
        "from app.rotation.models import ",
        "tests/test_house.py -k relative",
    ),
    Mutant(
        "a plan names every table",
        "app/rotation/web/forms.py",
        "AMCHECK_SECONDS, user.is_superuser)",
        "AMCHECK_SECONDS, True)",
        "tests/web/test_form.py -k names_no_other_table",
    ),
    Mutant(
        "a time that is none breaks the pages",
        "app/rotation/operations/wording.py",
        "    except (ValueError, OverflowError):\n",
        "    except OverflowError:\n",
        "tests/web/test_pages.py -k written_by_hand",
    ),
    Mutant(
        "the report of a cancelled rotation says that every token was replaced",
        "app/rotation/operations/account.py",
        '    if progress.complete:\n        return f"Every one',
        '    if True:\n        return f"Every one',
        "tests/web/test_account.py -k cancelled_midway",
    ),
    Mutant(
        "the report calls proven what was not verified",
        "app/rotation/operations/account.py",
        '    if progress.verified_at is None:\n        return "no: it was not verified by value"\n',
        '    if progress.verified_at is None:\n        return "yes, by value"\n',
        "tests/web/test_account.py -k without_verification",
    ),
    Mutant(
        "processes side by side count as interruptions",
        "app/rotation/operations/account.py",
        """one["began"] > latest["last"] and _process""",
        """_process""",
        "tests/web/test_account.py -k side_by_side",
    ),
    Mutant(
        "everybody may read a report's file",
        "app/rotation/management/commands/rotation.py",
        """with private_file(options["html"], "--html") as file:""",
        """with open(options["html"], "wb") as file:""",
        "tests/web/test_report.py -k private",
    ),
    Mutant(
        "a report takes the place of a symbolic link",
        "app/rotation/operations/keys.py",
        "        if stat.S_ISLNK(kind):\n",
        "        if False:\n",
        "tests/web/test_report.py -k link",
    ),
]
