"""What every service needs and none owns: app, identity, database, events, media."""
