-- Purpose: let one process at a time prepare the Citus nodes for rotations, until this transaction ends.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('rotation_prepare_citus'));
