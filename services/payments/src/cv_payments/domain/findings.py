"""Why an object of Stripe's does not change anything here."""


class NotOurs(Exception):
    """It belongs to nothing that was bought here: another product of the same Stripe account, say."""


class Quarantined(Exception):
    """It claims to be ours and does not fit what we asked for. Nothing is granted until somebody has looked at it."""
