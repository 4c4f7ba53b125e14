"""Rules that the templates keep, and what AWS would make of them, without AWS."""
