"""Releases: what was deployed together, recorded outside the stacks, compared, and brought back."""
