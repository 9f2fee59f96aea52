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
        "app/rotation/web/tuning.py",
        """shown = self.data.get(f"shown_{name}", value)""",
        """shown = value""",
        "tests/web/test_steering.py",
    ),
    Mutant(
        "a line of a chart leads through an interruption",
        "app/rotation/web/charts.py",
        "        again = point.at in starts\n",
        "        again = False\n",
        "tests/web/test_charts.py -k interruption",
    ),
    Mutant(
        "what is paused is shown as held back",
        "app/rotation/web/live.py",
        "    if status in HALTED and not seen.stalled:\n",
        "    if False:\n",
        "tests/web/test_list.py -k held_back",
    ),
    Mutant(
        "a target is recorded with other settings than its plan was shown for",
        "app/rotation/web/forms.py",
        "json.dumps([self.cleaned_data, settings])",
        "json.dumps([self.cleaned_data])",
        "tests/web/test_form.py -k of_the_settings",
    ),
    Mutant(
        "a line of a chart leads through an interruption",
        "app/rotation/web/charts.py",
        "        again = point.at in starts\n",
        "        again = False\n",
        "tests/web/test_charts.py -k interruption",
    ),
    Mutant(
        "what is paused is shown as held back",
        "app/rotation/web/live.py",
        "    if status in HALTED and not seen.stalled:\n",
        "    if False:\n",
        "tests/web/test_list.py -k held_back",
    ),
    Mutant(
        "a target is recorded with other settings than its plan was shown for",
        "app/rotation/web/forms.py",
        "json.dumps([self.cleaned_data, settings])",
        "json.dumps([self.cleaned_data])",
        "tests/web/test_form.py -k of_the_settings",
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
]
