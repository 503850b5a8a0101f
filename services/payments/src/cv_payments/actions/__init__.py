"""One function for each thing that can happen to a payment, which opens and commits its own transactions."""
