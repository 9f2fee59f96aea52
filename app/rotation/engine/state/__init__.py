"""The state of rotations in the database: finding, changing and summing it up.

`transitions` holds every arrow of the state machine, `heartbeat` notes signs of life; the rest reads.
Everything above imports from here; it knows proof, table and db.
"""
