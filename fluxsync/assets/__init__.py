"""Streamlit's frontend files: found, compressed, kept. Nothing here imports Streamlit."""
