"""Real servers for tests and for a developer's machine: embedded PostgreSQL and NATS. Not in any image."""
