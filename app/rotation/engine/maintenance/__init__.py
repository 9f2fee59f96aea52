"""What is done to the table beside its rows: vacuum while it is rotated, indexes rebuilt at the end.

Both run on connections of their own, outside of transactions.
Phases import from here.
"""
