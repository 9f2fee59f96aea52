"""Chaos, by one command: `python3 run.py chaos [--quick] [--seed N] [DRILL ...]`.

A drill does one harm to the command, many times, against real servers; an oracle in the database
tells afterwards what was lost, done twice, or came back. docs/reliability.md holds the figures.
"""
