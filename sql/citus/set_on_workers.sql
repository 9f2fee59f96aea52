-- Purpose: the settings of a window's transaction that must hold on Citus's workers too, where the rows
--          and their locks are. Nothing but SET may stand here: Citus sends the workers the whole text.
-- Parameters: lock_timeout.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SET LOCAL citus.propagate_set_commands TO 'local';

SET LOCAL lock_timeout TO %(lock_timeout)s;

-- Old statistics must not turn a window into a scan of a whole shard.
SET LOCAL enable_seqscan TO off;

-- Else windows that write to the same shards would wait for one another.
SET LOCAL citus.enable_deadlock_prevention TO off;
