"""The hop to Streamlit: an HTTP transport adapter, the WebSocket handshake, the API's client."""
