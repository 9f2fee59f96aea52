-- Purpose: prefer_indexes.sql for a table distributed by Citus: on the workers too. Only SET is
--          allowed here: Citus sends the workers the whole text.
SET LOCAL citus.propagate_set_commands TO 'local';

SET LOCAL enable_seqscan TO off;

-- Else the SET before each later statement would be sent too, with that statement.
SET LOCAL citus.propagate_set_commands TO 'none';
