"""Runs the whole system on a developer's machine."""
