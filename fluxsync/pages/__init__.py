"""Streamlit's side: pages, and how Streamlit is started to show them."""
