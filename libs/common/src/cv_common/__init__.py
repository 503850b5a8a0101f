"""Shared libraries of the services, without business rules: `kernel`, `messaging` and `drf`, and `app` above them."""
