"""Decisions and state machines: values in, values out. No I/O, no clock, no threads."""
