"""What payments asks of others: whether a resume exists, and of Stripe everything about money."""
