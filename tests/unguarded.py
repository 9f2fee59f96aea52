"""Writes past the guard of the ticket table."""

#: Bypasses the guard.
UNGUARDED = "SET session_replication_role = replica; ALTER TABLE ticket DISABLE TRIGGER ALL;"
GUARDED = "; ALTER TABLE ticket ENABLE ALWAYS TRIGGER pgtrigger_guard_token_c5a6c"
