"""What a run leaves for a person to read: the plan page, the page of a run, the table of a validation."""
