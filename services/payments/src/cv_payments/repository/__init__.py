"""All SQL of the payments service, a module for each table. What belongs to somebody else is not found."""
