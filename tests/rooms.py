"""The rooms of `app/rotation/`, for the test of imports and for the picture in docs/."""

#: From the top down: what is in one imports from those below it, never from one beside or above it.
#: A new module belongs to the room in which it stands.
TIERS = [
    ("apps",),
    ("management", "checks", "api"),
    ("admin",),
    ("web",),
    ("operations",),
    ("engine.runner",),
    ("engine.phases",),
    ("engine.work",),
    ("engine.preflight",),
    ("engine.maintenance", "engine.throttle"),
    ("engine.state",),
    ("engine.proof",),
    ("engine.table",),
    ("engine.db",),
    ("engine.kept",),
    ("engine.options", "engine.events"),
    ("engine.recipe",),
    ("engine.errors", "engine.formats", "engine.hours", "engine.text"),
    ("models",),
    ("invariants", "triggers", "signals"),
    ("schema",),
]
