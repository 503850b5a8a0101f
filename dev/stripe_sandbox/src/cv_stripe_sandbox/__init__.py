"""A local stand-in for Stripe: its API, hosted pages and signed webhooks."""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())  # whoever runs it says where its lines go
