"""Who may write to a run folder: one driver alone, or several that each have a share of the work."""

import contextlib
import dataclasses
import fcntl
import os
import platform
import time
from pathlib import Path

from recirc.storage import explained

PATIENCE = 10.0  # seconds that a shard waits for one that is just looking whether all is there


class FolderError(ValueError):
    """A folder cannot be used for this run.

    Example:
        >>> issubclass(FolderError, ValueError)
        True
    """


class FinishedError(FolderError):
    """The folder holds a finished run; `same` says whether it is this one.

    Example:
        >>> issubclass(FinishedError, ValueError)
        True
    """

    def __init__(self, root: Path, same: bool):
        which = "this run, finished" if same else "another finished run"
        super().__init__(f"{root} holds {which}, and is not overwritten; for a new run give another --out.")
        self.root, self.same = root, same


@dataclasses.dataclass(frozen=True)
class Share:
    """Which pieces are this driver's: every `total`-th one from the `index`-th, counted from 1.

    Raises:
        ValueError: if the index is not between 1 and the total.

    Example:
        >>> Share.parse("2/3").has(4), Share.parse("2/3").has(5)
        (True, False)
    """

    index: int = 1
    total: int = 1

    def __post_init__(self):
        if not (1 <= self.index <= self.total or self.index == self.total == 0):
            raise ValueError(f"a shard is I/N with I from 1 to N, such as 2/8; got {self.index}/{self.total}.")

    @classmethod
    def parse(cls, text: str) -> "Share":
        """The share that "I/N" means."""
        index, _, total = text.partition("/")
        if not (index.strip().isdecimal() and total.strip().isdecimal()) or int(total) == 0:
            raise ValueError(f"a shard is I/N with I from 1 to N, such as 2/8; got {text!r}.")
        return cls(int(index), int(total))

    @property
    def is_whole(self) -> bool:
        """Whether nobody else has a share."""
        return self.total == 1

    def has(self, position: int) -> bool:
        """Whether the piece at this position, from 0, is in it."""
        return self.total > 0 and position % self.total == self.index - 1


class Unfinished(Exception):
    """What this driver has to do is done, and pieces of others are not there yet: `missing` of them.

    `is_expected` says that this is what a shard comes to. Where the pieces are those of one of `several` experiments,
    their numbers tell nothing of the whole, and are not said.

    Example:
        >>> str(Unfinished(Path("run"), Share(1, 3), missing=4, total=6))
        'shard 1 of 3 is finished; 4 of 6 pieces are not in run yet: the last shard to end writes the table.'
    """

    def __init__(self, root: Path, here: Share, missing: int, total: int, several: bool = False):
        what = f"shard {here.index} of {here.total} is finished" if here.total else "nothing more was found"
        which = "some runs" if several else f"{missing} of {total} pieces"
        rest = f"{which} are not in {root} yet" if missing else "the others are still at work"
        end = "the last shard to end writes the table" if here.total else "run the sweep there, or its missing shards"
        super().__init__(f"{what}; {rest}: {end}.")
        self.root, self.here, self.missing, self.total, self.is_expected = root, here, missing, total, here.total > 0


WHOLE = Share()
NOTHING = Share(0, 0)  # the share of who only collects what others have finished


class Lock:
    """A folder kept from other drivers; the system releases it when the process ends, however it ends.

    It is a lock of the system on an open file: clocks and process numbers have no part in it.

    Args:
        root: the run folder.
        share: drivers with different shares of the work may have it at once.

    Raises:
        FolderError: if another process has the folder, or this share of it.
        StorageError: if it cannot be written to.
    """

    def __init__(self, root: Path, share: Share):
        self.root, self.is_alone, self._streams = root, share.total < 2, []
        try:
            if self.is_alone:
                self._take("lock", fcntl.LOCK_EX)
            else:
                self._take("lock", fcntl.LOCK_SH, PATIENCE)
                self._take(f"lock-{share.index}-of-{share.total}", fcntl.LOCK_EX)
        except BaseException:
            self.close()
            raise

    def take_over(self) -> bool:
        """Have the folder alone, if no other driver is at work in it.

        A driver that ends gives up its lock before it asks for the whole, so that of several the last one gets it.

        Raises:
            FolderError: if another one has just finished the folder.
        """
        if not self.is_alone:
            whole = self._streams[0]
            with contextlib.suppress(OSError):  # a disk without locks
                fcntl.flock(whole, fcntl.LOCK_UN)
            try:
                fcntl.flock(whole, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            except OSError:
                pass
            self._check_current(self.root / "parts" / "lock", whole)
            self.is_alone = True
        return True

    def close(self) -> None:
        """Let others have the folder."""
        for stream in self._streams:
            stream.close()

    def _take(self, name: str, kind: int, patience: float = 0.0) -> None:
        place = self.root / "parts" / name
        with explained(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            stream = os.fdopen(os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+")
        self._streams.append(stream)
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(stream, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    owner = stream.read(200).strip()
                    text = f"another process ({owner}) is writing to {self.root}; wait for it or stop it."
                    raise FolderError(text) from None
                time.sleep(0.1)
            except OSError:  # a disk without locks: two drivers then do the same work twice, harmlessly
                return
        self._check_current(place, stream)
        with explained(place):  # without a buffer, which would be written again when the file is closed
            os.ftruncate(stream.fileno(), 0)
            os.write(stream.fileno(), f"pid {os.getpid()} on {platform.node()}".encode())

    def _check_current(self, place: Path, stream) -> None:
        if not place.exists() or not os.path.samestat(os.fstat(stream.fileno()), place.stat()):
            raise FolderError(f"another process has just finished {self.root}; run the same command again.")


def is_at_work(root: Path) -> bool:
    """Whether a driver has an unfinished folder, or that cannot be told, as on disks without locks."""
    try:
        with open(root / "parts" / "lock", "r+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except FileNotFoundError:
        return False
    except OSError:
        return True
