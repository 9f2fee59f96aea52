"""The line of progress, as the brief has it."""

import re

LINE = re.compile(
    r"completed: {1,2}\d{1,3}\.\d\d % \(\d+ of \d+\)"
    r" \| remaining time: +(unknown|\d+ second\(s\)( \| .*)?)$"
)
