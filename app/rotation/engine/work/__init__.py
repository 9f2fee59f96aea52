"""The work itself: workers claim lanes and replace tokens, one window per transaction.

Stages say what one window does; workers, their pool and contention say who does it and when.
Only phases import from here.
"""
