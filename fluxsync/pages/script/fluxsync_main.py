"""What ``streamlit run`` runs: the pages of the application."""

from fluxsync.pages.navigation import run

run()
