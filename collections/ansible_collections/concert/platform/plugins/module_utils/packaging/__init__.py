"""Builds the Lambda packages: same input, same key, on any machine, Python and directory."""
