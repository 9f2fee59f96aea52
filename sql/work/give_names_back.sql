-- Purpose: let what the COMMIT fires, the application's deferred triggers, find its names as ever.
SET LOCAL search_path TO DEFAULT;
