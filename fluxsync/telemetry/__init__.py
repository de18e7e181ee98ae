"""Logs, request context, redaction and traces.

Standard library only, as the supervisor uses it too; but for :mod:`.opentelemetry`, which the
supervisor doesn't import.
"""
