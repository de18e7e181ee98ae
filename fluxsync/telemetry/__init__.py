"""Logs, request context and redaction. Standard library only: the supervisor uses it too."""
