"""The engine: it rotates the tokens of a table. It prints nothing, reads no settings, parses no flags.

Imports run downward: driver → worker, plan, control → progress, windows, preflight, target →
database → statements → errors. A test pins this.
"""
