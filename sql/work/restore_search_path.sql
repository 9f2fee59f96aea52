-- Purpose: restore the role's search path for what the COMMIT fires, the application's deferred
--          triggers.
SET LOCAL search_path TO DEFAULT;
