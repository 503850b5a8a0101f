"""Outbound HTTP: the resumes service and Stripe."""
