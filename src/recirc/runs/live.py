"""The report of a run that is not finished, from the pieces that are."""

import contextlib
import copy
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from recirc.analyses.pieces import Done, Failure, Keyed
from recirc.runs.experiment import Experiment
from recirc.runs.folder_map import name_of
from recirc.runs.header import begun_with, identity_of
from recirc.runs.locks import FolderError, Share
from recirc.runs.metrics import metrics_text
from recirc.runs.progress import Progress
from recirc.runs.report import build, write_text
from recirc.runs.seal import is_done
from recirc.runs.segments import Segments
from recirc.runs.worker import unpacked
from recirc.storage import write_atomic

NOT_YET = "not finished yet"


class KeptMap:
    """A map over pieces that computes nothing: those that are not in the folder yet are failures that say so.

    Args:
        folder: of an unfinished run; it is only read.

    `n_finished` counts the pieces that were there when it was called.

    Raises:
        FolderError: if it holds no unfinished run.
    """

    def __init__(self, folder: str | Path):
        if (begun := begun_with(Path(folder))) is None:
            raise FolderError(f"{folder} holds no run that is under way.")
        self.identity = identity_of(begun["inputs"])
        self.store, self._found = Segments(Path(folder) / "parts"), set()

    @property
    def n_finished(self) -> int:
        return len(self._found)

    def within(self, share: Share, of: str, progress: Progress | None = None) -> "KeptMap":
        """The same map for the pieces of one of several experiments, as `FolderMap.within`; only that is asked."""
        inner = copy.copy(self)
        inner.identity += of
        return inner

    def __call__(self, function: Callable[[Any], Done], pieces: Iterable[Any]) -> Iterator[Done]:
        """Every piece, in order."""
        self.store.refresh(alone=False)
        for key in Keyed(pieces).by_key:
            name = name_of(function, key, self.identity)
            if name in self.store:
                self._found.add(name)
                yield Done(key, unpacked(*self.store.read(name)))
            else:
                yield Done(key, Failure(NOT_YET))


def live_report(folder: str | Path, experiment: Experiment) -> tuple[Path, int]:
    """Make the report of what is finished, and say how many pieces are.

    Args:
        folder: of a run that is under way, which may be writing to it.
        experiment: that it was begun with.

    Returns:
        The page, `parts/live/report.html` of the folder, which goes when the run ends; and the number of pieces.

    Raises:
        FolderError: if the folder holds no run that is under way.
        StorageError: if the page cannot be written.
    """
    map, place = KeptMap(folder), Path(folder) / "parts" / "live"
    result = experiment.analyse(map)
    metrics = metrics_text(experiment.study, experiment.preset, result.rows, result.claims)
    try:
        write_atomic(place / "metrics.json", metrics.encode())
        write_atomic(place / "config.toml", experiment.config().encode())
        write_text(place, experiment.words(result))
        return build(place, result=result), map.n_finished
    finally:
        if is_done(folder):
            shutil.rmtree(place, ignore_errors=True)
            with contextlib.suppress(OSError):  # it holds what can be tried once more
                place.parent.rmdir()
