"""The public entry point: routing, authentication, sessions, limits, one OpenAPI document."""
