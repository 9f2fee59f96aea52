-- Purpose: let this transaction's COMMIT wait for the disk, and so for all earlier ones: the lane is at
--          its end.
SELECT pg_catalog.set_config('synchronous_commit', 'local', true);
