"""The pace at which a client must send a body, or take one."""


class Pace:
    """Tells for how long a client may keep us waiting: until it is `grace` seconds behind `rate` bytes a second.

    What it is ahead is not saved up: it would buy a rest later.
    """

    def __init__(self, grace: float, rate: int) -> None:
        self._grace, self._rate = grace, rate
        self.left = grace
        """Seconds."""

    def count(self, seconds: float, size: int) -> None:
        """The client took so long for so many bytes."""
        self.left = min(self._grace, self.left - seconds + size / self._rate)
