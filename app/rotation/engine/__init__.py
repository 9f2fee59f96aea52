"""The engine: it rotates the tokens of a table. It prints nothing, reads no settings, parses no flags.

Imports only go down: runner → phases → work → preflight → throttle, maintenance → state → proof →
table → db → events, options → errors, text. tests/test_house.py checks this.
"""
