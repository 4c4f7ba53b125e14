"""Sample data: files read into records, sent like a real source would, and what they should rank like."""
