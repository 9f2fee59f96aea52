-- Purpose: end transactions prepared on Citus nodes that the COMMIT did not reach: commit what this
--          coordinator has committed, roll back the rest. Running transactions are left alone.
-- Columns: recovered (how many).
SELECT pg_catalog.recover_prepared_transactions() AS recovered;
