"""Groundwater levels: an API, pages and jobs over one database."""
