"""Why a job yields no file."""


class Refused(Exception):
    """The job cannot be rendered as it is, now or later; the message says why, for people."""


class EngineBusy(Exception):
    """Too many jobs are waiting already."""


class EngineFailed(Exception):
    """The job took longer than a job may, or the engine failed at it; the message says which."""
