"""Accounts: registration, login, tokens, profile."""
