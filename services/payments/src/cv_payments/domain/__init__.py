"""The rules of payments, free of any machinery: pure functions over what our rows and Stripe's objects say."""
