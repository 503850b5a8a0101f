"""What can happen to a resume: one function each, which opens and commits its own transaction."""
