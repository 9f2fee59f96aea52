"""What people look at in a browser: pages, charts, the report."""
