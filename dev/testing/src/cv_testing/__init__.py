"""The testing kit: real PostgreSQL and NATS servers, supervised processes, identity tokens and a TCP proxy."""
