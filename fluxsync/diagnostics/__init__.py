"""What is wrong with a place where fluxsync is published, and what to write there instead."""
