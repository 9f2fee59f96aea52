"""One module for each command, as Django finds them.

`rotate_tokens_sql` starts, resumes or serves rotations; `rotation` looks at them, steers, verifies and
reports.
Nothing imports from here.
"""
