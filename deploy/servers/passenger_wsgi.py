"""For Phusion Passenger: serve the application of this directory, with app.py or fluxsync.toml."""

from fluxsync.wsgi import application

__all__ = ["application"]
