"""Checkouts, subscriptions and Stripe's webhooks."""
