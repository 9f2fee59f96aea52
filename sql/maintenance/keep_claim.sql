-- Purpose: show that the process which has claimed the rebuild of indexes (claim_rebuild.sql) is alive.
--          SET, unlike a query, takes no snapshot: a rebuild would wait for one until the end of this
--          transaction, which waits for the rebuild.
SET LOCAL idle_in_transaction_session_timeout TO '5s';
