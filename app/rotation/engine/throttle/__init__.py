"""Why the next window must wait: standbys, WAL, sessions that wait for our locks, a rate, a query.

The monitor checks once a second and feeds the throttle; workers ask it before each window.
Work, phases and runner import from here; web.metrics reads the standbys.
"""
