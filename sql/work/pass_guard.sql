-- Purpose: let this transaction's own random tokens pass the guard without looking in the revoked set.
-- Parameters: active (whose guard: the table's oid, a dot, and the column's number).
SELECT pg_catalog.set_config('rotation.active', %(active)s, true);
