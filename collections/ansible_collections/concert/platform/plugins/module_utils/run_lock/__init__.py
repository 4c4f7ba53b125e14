"""One run at a time per deployment target: a lock with a lease, in a parameter of Parameter Store."""
