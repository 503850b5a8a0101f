"""The kernel: settings, database, identity, HTTP client, media, logs, metrics and the server. See README.md."""
