"""The pure rules of payments: functions of stored rows and of Stripe's objects."""
