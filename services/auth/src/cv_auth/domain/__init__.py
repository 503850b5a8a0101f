"""The rules of accounts, free of any machinery: which passwords are taken, what tokens say, what a subscription is."""
