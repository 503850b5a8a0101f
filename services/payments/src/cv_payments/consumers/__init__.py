"""The doors that nobody knocks at: NATS, and the clock."""
