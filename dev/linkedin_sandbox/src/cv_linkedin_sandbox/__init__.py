"""A local stand-in for a lawful source of LinkedIn profiles."""
