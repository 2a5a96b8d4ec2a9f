"""Locks of files, which end with the process that has them, however it ends."""

import fcntl


def try_lock(descriptor: int) -> bool:
    """Lock an open file or folder for this process alone; False where another one has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
