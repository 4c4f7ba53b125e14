"""What can be said about the project without an account."""
