"""What a teardown loses or keeps, the removal of what it kept, and a look at what is left."""
