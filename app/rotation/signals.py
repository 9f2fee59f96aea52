"""Signals that a project may connect to, so that its incident channel hears of a rotation.

Each is sent with `sender=models.Rotation` and the keyword arguments `database` (the alias), `rotation`
(its number), `target` (schema.table.column) and those below, from the process that works on the
rotation. A receiver that fails never stops the run.
"""

from django.dispatch import Signal

#: A run has started, or continues, a rotation: `resumed`, `rows_done`.
rotation_started = Signal()
#: Windows wait because of a limit: `reason`. Repeated once a minute while that goes on.
rotation_held_back = Signal()
#: The run ended before the work did, and can be continued (exit code 3): `reason`.
rotation_stopped = Signal()
#: The run failed (exit code 1), or tokens survive (4): `reason`, `exit_code`.
rotation_failed = Signal()
#: Every token was replaced, and by value no revoked one survives: `rows`, `revoked`, `seconds`.
rotation_proven = Signal()
#: Every token was replaced, without that proof (--no-verify): `rows`, `seconds`.
rotation_unproven = Signal()

SIGNALS = {
    "rotation_started": rotation_started,
    "rotation_held_back": rotation_held_back,
    "rotation_stopped": rotation_stopped,
    "rotation_failed": rotation_failed,
    "rotation_proven": rotation_proven,
    "rotation_unproven": rotation_unproven,
}
