"""Streamlit's main script in tests: runs in AppTest's thread, on each rerun."""

from fluxsync.testing.surroundings import show_application

show_application()
