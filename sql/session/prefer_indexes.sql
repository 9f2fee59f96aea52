-- Purpose: plan like a window (see open_window.sql), until the transaction ends.
SELECT pg_catalog.set_config('enable_seqscan', 'off', true);
