"""The pure rules of accounts: passwords, usernames, tokens and subscriptions."""
