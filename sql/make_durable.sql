-- Purpose: let this transaction's COMMIT wait for the disk, and with it for all windows before it,
--          even where the role's default is not to wait.
SELECT pg_catalog.set_config('synchronous_commit', 'on', true)
WHERE pg_catalog.current_setting('synchronous_commit') = 'off';
