-- Purpose: remove the demo's own table, with its guard.
DROP TABLE IF EXISTS demo_api_key;
