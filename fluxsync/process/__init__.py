"""The supervisor, its children, and the socket between it and the gateway workers."""
