"""The application behind ``fluxsync demo``: a year of bicycle counts in a small town.

Also an example to read: :mod:`.app` wires typed endpoints (:mod:`.api`) to Streamlit pages
(:mod:`.pages`). Only the API touches the database; a page asks the API, like any other client.
"""
