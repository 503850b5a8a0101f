"""Use cases of payments. Each function opens and commits its own transactions."""
