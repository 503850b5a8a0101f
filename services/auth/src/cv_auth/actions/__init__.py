"""The use cases of accounts: one function each, which opens and commits its own transaction."""
