"""Why a job returns no file."""


class JobRejected(Exception):
    """The template or the document cannot be rendered, now or later. The message is for users."""


class EngineBusy(Exception):
    """The queue is full, or the job has waited too long in it."""


class EngineFailed(Exception):
    """The job took too long, or the engine failed. The message says which."""
