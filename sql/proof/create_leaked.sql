-- Purpose: a temporary table of this transaction for a list of leaked tokens.
CREATE TEMPORARY TABLE leaked_token (token {leaked_type} NOT NULL) ON COMMIT DROP;
