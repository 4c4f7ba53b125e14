"""Judges what is deployed: `reader` asks AWS, everything else is pure."""
