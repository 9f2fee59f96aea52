-- Purpose: end what Citus has prepared on its nodes, and whose COMMIT did not reach them: commit what
--          this coordinator has committed, roll back the rest. Transactions under way are left alone.
-- Columns: recovered (how many).
SELECT pg_catalog.recover_prepared_transactions() AS recovered;
