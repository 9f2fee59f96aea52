"""What every operation does for the person in front of it: it obeys signals, and says what it awaits."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..engine.db.calls import longest
from ..engine.db.stop import StopSwitch, stop_on_signals
from ..engine.db.watch import AnswerWatch
from ..engine.errors import LockConflict, Stopped
from .output import Output

LAST_WORDS_SECONDS = 0.5  # for the last line, before the process ends without it


@contextmanager
def attended(
    aliases: list[str], reporter: Output, patient: bool = True, new: bool = False
) -> Iterator[StopSwitch]:
    """Within the block, signals request a stop, and what the process waits for is reported.

    Gives the switch. If something still hangs some seconds after the second signal, the process ends:
    its transactions are rolled back by the server. `patient`: see StopSwitch. `new`: the command begins
    another rotation each time.
    """
    stop = StopSwitch(patient, reporter)

    def abandon() -> None:
        call = next(filter(None, map(longest, aliases)), None)
        why = f", with no answer for {call.seconds:.0f} s ({call.doing})" if call else ""
        again = "run the same command again" + " without --new" * new
        if patient:  # it commits on its way
            again = f"what was committed stays: {again} to continue"
        text = f"by {stop.reason}{why}; {again}"
        words = threading.Thread(target=reporter.abandoned, args=(text,), daemon=True)
        words.start()
        words.join(LAST_WORDS_SECONDS)
        os._exit(Stopped.exit_code)

    with stop_on_signals(stop, abandon), AnswerWatch(aliases, reporter):
        try:
            yield stop
        except LockConflict as conflict:
            if not stop.requested:
                raise
            raise Stopped(f"by {stop.reason}; run the same command again") from conflict
