"""Finds what differs from what was deployed: `reader` and `restore` talk to AWS, everything else is pure."""
