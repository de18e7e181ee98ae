"""The Streamlit pages, one module each; they know the API and not the database.

The API's workers import them too, hence what only Streamlit needs is imported in functions.
"""
