-- Purpose: show that the process which has claimed the rebuild of indexes (claim_rebuild.sql) is alive.
--          SET, unlike a query, needs no view of the database: a rebuild that met one would wait for the
--          end of this transaction, which waits for the rebuild.
SET LOCAL idle_in_transaction_session_timeout TO '5s';
