"""The Autobahn test suite: hundreds of legal and illegal WebSocket conversations."""
