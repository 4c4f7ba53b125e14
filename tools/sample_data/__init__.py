"""The generator of sample data: `python -m tools.sample_data --help`."""
