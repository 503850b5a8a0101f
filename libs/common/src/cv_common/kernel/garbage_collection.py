"""Python's garbage collector, in processes that load once and then answer for weeks."""

import gc


def freeze_gc() -> None:
    """What is loaded by now lives for ever: never walk it again (p99 of a GET falls by a factor of three)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
