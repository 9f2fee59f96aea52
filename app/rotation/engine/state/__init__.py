"""The state of rotations in the database: finding, changing and summing it up.

`transitions` holds every arrow of the state machine; everything else only reads.
Everything above imports from here; it knows proof, table and db.
"""
