"""Messaging: events, outbox, inbox, consumers, dead letters and republishing. See README.md."""
