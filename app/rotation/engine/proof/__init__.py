"""The two promises: no revoked token survives, and none can come back.

Guard and barrier keep tokens out, the revoked set remembers them by hash, the verification compares
by value.
State and everything above import from here; it knows table and db.
"""
