"""Rendering with WeasyPrint: each job runs in a forked child process with its own limits."""
