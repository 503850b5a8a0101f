"""A local stand-in for Stripe: its API, hosted pages and signed webhooks."""
