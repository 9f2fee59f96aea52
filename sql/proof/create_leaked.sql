-- Purpose: a temporary table of this transaction for a list of leaked tokens.
CREATE TEMPORARY TABLE leaked_token (token uuid NOT NULL) ON COMMIT DROP;
