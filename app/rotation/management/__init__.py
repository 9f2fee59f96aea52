"""The commands: flags in, text out.

`base` turns errors into one line and an exit code, `console` shows a run as a bar, lines or JSON.
Nothing in the product imports from here; commands call operations, and start no engine themselves.
"""
