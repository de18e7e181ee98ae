"""The WSGI application that joins everything: routing, API, Streamlit, WebSockets, health."""
