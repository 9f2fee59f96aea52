"""What people see in a browser: pages, charts, the report; and metrics, for Prometheus.

Pages call operations, as commands do, and change nothing themselves.
`admin` imports from here, `rotation report` the rendered report, and hosts `metrics`.
"""
