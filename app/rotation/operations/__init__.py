"""What a person asks for, whichever way they ask: the use cases that commands, admin and --serve
share.

An operation takes flags or form values, calls the engine, and says the result through an Output.
Management, admin and web import from here; this package imports from the engine only, never from
them.
"""
