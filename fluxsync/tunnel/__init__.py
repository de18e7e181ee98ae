"""WebSockets carried over plain HTTP requests, for where there are none."""
