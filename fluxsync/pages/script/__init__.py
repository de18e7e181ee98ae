"""Holds the script that Streamlit runs, and nothing else.

Streamlit makes the script's directory importable, so each name in here would hide a module
of the application.
"""
