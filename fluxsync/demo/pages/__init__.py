"""The demo's Streamlit pages, one module each.

A page is a function that's given what it names: ``st``, the Streamlit module, and ``client``, which
calls the API. The workers of the gateway import these modules too, and spend neither time nor
memory on Streamlit because nothing here imports it.
"""
