"""The API's side: the Flask application, and its documentation pages."""
