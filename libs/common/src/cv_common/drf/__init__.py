"""Compatibility with Django REST Framework: request bodies, fields, errors and OpenAPI. See README.md."""
