"""Programs: the supervisor's process, gunicorn, and the development server."""
