-- Purpose: the settings of a window's transaction that must hold on Citus's workers too, where the rows
--          and their locks are. Only SET is allowed here: Citus sends the workers the whole text.
-- Parameters: lock_timeout.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SET LOCAL citus.propagate_set_commands TO 'local';

SET LOCAL lock_timeout TO %(lock_timeout)s;

-- Stale statistics must not turn a window into a scan of a whole shard.
SET LOCAL enable_seqscan TO off;

-- Otherwise windows that write to the same shards would wait for each other.
SET LOCAL citus.enable_deadlock_prevention TO off;

-- From here on the workers get no SET: it would be sent with the whole text that it stands in, and every
-- statement is preceded by one. The settings above are kept, for connections that are opened later too.
SET LOCAL citus.propagate_set_commands TO 'none';
