-- Purpose: remove all sample tickets.
TRUNCATE TABLE ticket RESTART IDENTITY;
