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


class TrainingStopped(BaseException):
    """A training was asked to stop, and its state is kept."""


class _Asked:
    """Whether the trainings of this process are to stop, and how many there are."""

    to_stop, under_way = False, 0


def stop_trainings(yes: bool = True) -> bool:
    """Let every training of this process keep its state at the end of its pass and raise `TrainingStopped`.

    Args:
        yes: whether they are to; False takes it back.

    Returns:
        Whether a training is under way.
    """
    _Asked.to_stop = yes
    return _Asked.under_way > 0


class Pace:
    """Says when it is time for the next checkpoint of a training, while that is under way.

    Args:
        every: seconds between two.
        is_asked_for: whether somebody wants it; otherwise one that cannot be written is a warning.
    """

    def __init__(self, every: float, is_asked_for: bool):
        self.every, self.is_asked_for, self.last = every, is_asked_for, time.monotonic()

    def __enter__(self) -> "Pace":
        _Asked.under_way += 1
        return self

    def __exit__(self, *_) -> None:
        _Asked.under_way -= 1

    def is_due(self) -> bool:
        """Whether it is time; then counting begins anew."""
        if time.monotonic() - self.last < self.every and not _Asked.to_stop:
            return False
        self.last = time.monotonic()
        return True

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Write a checkpoint within this.

        Raises:
            TrainingStopped: at the end, if the training was asked to stop.
        """
        try:
            yield
        except StorageError as error:
            if self.is_asked_for:
                raise
            warnings.warn(f"a checkpoint is not kept: {error}", stacklevel=3)
        if _Asked.to_stop:
            raise TrainingStopped
