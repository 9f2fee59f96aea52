"""What people see in a browser: pages, charts, the report."""
