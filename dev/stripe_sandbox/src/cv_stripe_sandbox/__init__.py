"""A local sandbox that replaces Stripe: its API, hosted pages and signed webhooks."""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())  # the program that runs the package configures logging
