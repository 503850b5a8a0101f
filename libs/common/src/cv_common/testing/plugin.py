"""The pytest plugin: real PostgreSQL and NATS for every package's tests."""
