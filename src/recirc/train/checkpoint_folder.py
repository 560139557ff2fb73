"""Checkpoints of every training that a piece of work does, without being asked for."""

import contextlib
import contextvars
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from recirc.storage import StorageError

EVERY = 10.0  # seconds between two checkpoints of a training; shorter ones leave none
_FOLDER: contextvars.ContextVar[Path | None] = contextvars.ContextVar("checkpoint folder", default=None)


@contextlib.contextmanager
def checkpoints_in(folder: Path | None) -> Iterator[None]:
    """Let trainings keep their state in a folder, and go on from what is there; None for nowhere."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def checkpoint_folder() -> Path | None:
    """Where trainings keep their state now."""
    return _FOLDER.get()


class Pace:
    """Says when it is time for the next checkpoint of a training that nobody asked to keep."""

    def __init__(self, every: float):
        self.every, self.last = every, time.monotonic()

    def is_due(self) -> bool:
        """Whether it is time; then counting begins anew."""
        if time.monotonic() - self.last < self.every:
            return False
        self.last = time.monotonic()
        return True


@contextlib.contextmanager
def optional(is_optional: bool) -> Iterator[None]:
    """Make a checkpoint that nobody asked for and that cannot be written a warning."""
    try:
        yield
    except StorageError as error:
        if not is_optional:
            raise
        warnings.warn(f"a checkpoint is not kept: {error}", stacklevel=3)
