"""Preflight: what can be known to be wrong before anything moves."""
