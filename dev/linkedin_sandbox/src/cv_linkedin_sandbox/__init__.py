"""A local sandbox that replaces a provider of LinkedIn profiles."""
