"""The only door: routing, identity, sessions, limits, one OpenAPI."""
