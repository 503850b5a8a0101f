"""What can happen to an account: one function each, which opens and commits its own transaction."""
