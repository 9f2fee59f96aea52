"""The use cases shared by the commands, the admin and --serve.

An operation takes flags or form values, calls the engine, and reports through an Output.
Management, admin and web import from here; this package imports from the engine and models only.
"""
