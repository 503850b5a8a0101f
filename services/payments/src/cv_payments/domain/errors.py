"""Why an object at Stripe changes nothing in this service."""


class ForeignObject(Exception):
    """The object belongs to no checkout of this service, for example to another product of the same account."""


class Quarantined(Exception):
    """The object names a checkout of this service and does not match it. An operator must look at the event."""
