"""What every service shares: app, identity, database, events, errors. No business rule lives here."""
