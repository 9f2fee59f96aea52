"""The state of rotations in the database: found, changed, summed up.

`transitions` holds every arrow of the state machine; all else reads.
Everything above imports from here; it knows proof, table and db.
"""
