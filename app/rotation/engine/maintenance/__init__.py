"""Work on the table besides its rows: vacuum during the rotation, indexes rebuilt at the end.

Both run on their own connections, outside transactions.
Phases import from here.
"""
