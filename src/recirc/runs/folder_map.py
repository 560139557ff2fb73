"""A map over pieces of work that keeps each result in a run folder as soon as it is there."""

import contextlib
import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from recirc.analyses.pieces import Batchable, Done, Failure, Keyed, Result, unwrapped
from recirc.runs import cluster, engine, processes
from recirc.runs.locks import Share, Unfinished
from recirc.runs.progress import Progress
from recirc.runs.store import RunFolder
from recirc.runs.worker import unpacked
from recirc.storage import StorageError


class FolderMap:
    """A map over pieces that uses worker processes and keeps each result in a run folder.

    A piece is named by what it says, the function, the package's version and the input files' hashes; it is finished
    when its record is whole. Results depend neither on the engine nor on order, and what was finished before, by
    whomever, is not computed again. When a worker is killed, the pieces of its bundle run singly; one that kills its
    worker is tried up to three times more. A script needs `if __name__ == "__main__":`.

    Args:
        folder: where finished pieces are kept.
        jobs: worker processes on this machine, each with one thread.
        cluster: workers of a Dask scheduler instead, by its address or a TOML file (`runs.cluster.ClusterConfig`).
        batch: how many pieces of one kind a worker does as one program, where the function can (`Batchable`): equal to
            rounding to those of single pieces. None for one on a CPU and many on an accelerator.
        progress: told of every piece; by default a `Progress` that calls pieces what they call themselves.
        share: which pieces are computed; by default those that the folder is open for.
        of: whose pieces they are, where a folder has those of several experiments; pieces need not say that themselves.

    Raises:
        ValueError: if `jobs` or `batch` is not positive.

    Raises (when called):
        ValueError: if the script that calls it has no such guard.
        StorageError: if a result cannot be written.
        VersionError: if a worker has other package versions.
        Unfinished: if the folder is open for one shard and pieces of others are not there yet.

    Example:
        >>> with recirc.runs.RunFolder.open("folder", specification={}) as folder:
        ...     FolderMap(folder, jobs=1).jobs
        1
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        jobs: int = 1,
        cluster: str | None = None,
        batch: int | None = None,
        progress: Progress | None = None,
        share: Share | None = None,
        of: str = "",
    ):
        for name, number in (("jobs", jobs), ("batch", batch)):
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}.")
        self.folder, self.jobs, self.cluster, self.batch, self.progress = folder, jobs, cluster, batch, progress
        self.share, self.of = share or folder.share, of

    def within(self, share: Share, of: str, progress: Progress | None = None) -> "FolderMap":
        """The same map, for another share of the pieces, which are those of one of several experiments."""
        how = {"jobs": self.jobs, "cluster": self.cluster, "batch": self.batch}
        return FolderMap(self.folder, **how, progress=progress or self.progress, share=share, of=of)

    def __call__(self, function: Callable[[Any], Done], pieces: Iterable[Any]) -> Iterator[Done]:
        """Every piece as it is finished; those of an earlier call first."""
        keyed = Keyed(pieces).by_key
        identity = self.folder.identity + self.of
        names = {name_of(function, key, identity): key for key in keyed}
        store, share = self.folder.pieces, self.share
        store.refresh(self.folder.is_alone)
        own = [name for i, name in enumerate(names) if share.has(i)]
        before = [name for name in names if name in store and not store.is_tentative(name)]
        kept = set(before)
        todo = {name: (kind_of(piece := keyed[names[name]]), piece) for name in own if name not in kept}
        progress = self.progress or Progress(getattr(next(iter(keyed.values()), None), "what", "networks"))
        progress.start(len(own), len(own) - len(todo), [kind for kind, _ in todo.values()])
        for name in before if share.is_whole else ():
            result, seconds = self._read(name)
            progress.heard(kind_of(keyed[names[name]]), seconds)
            yield Done(names[name], result)
        batches = self._batches(function, {name: keyed[names[name]] for name in own}) if todo else []
        with contextlib.closing(self._compute(function, todo, progress, batches)) as computed:
            for name in computed:
                if share.is_whole:
                    yield Done(names[name], self._read(name)[0])
        if not share.is_whole:
            yield from self._of_all(names)

    def _batches(self, function: Callable, own: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Pieces that are one program each, of which some were never done: the same ones whatever is finished."""
        work, size, of_kinds = unwrapped(function), engine.batch_size(self.batch), {}
        if size == 1 or not isinstance(work, Batchable):
            return []
        for name, piece in own.items():
            if work.can(piece):
                of_kinds.setdefault(kind_of(piece), []).append(name)
        every = [names[i : i + size] for names in of_kinds.values() for i in range(0, len(names), size)]
        new = [batch for batch in every if any(name not in self.folder.pieces for name in batch)]
        return [{name: own[name] for name in batch} for batch in new]

    def _compute(
        self,
        function: Callable,
        todo: Mapping[str, tuple[str, Any]],
        progress: Progress,
        batches: Sequence[Mapping[str, Any]],
    ) -> Generator[str]:
        """Names of pieces as they are finished and kept."""
        if not todo:
            return
        n_at_once = len(batches) + len(todo.keys() - {name for batch in batches for name in batch})
        here = self._workers(min(self.jobs, n_at_once))
        with contextlib.closing(engine.compute(here, function, todo, progress, self._keep, batches)) as names:
            yield from names

    def _keep(self, found: Sequence[tuple[str, bytes, bool]]) -> None:
        """Write records of pieces; those that failed are tried again some time."""
        failed = [name for name, _, has_failed in found if has_failed]
        self.folder.pieces.write({name: record for name, record, _ in found}, failed)

    def _workers(self, n_workers: int) -> engine.Engine:
        """Workers that stay for the next call, until the folder is closed; more of them if that has more to do."""
        stack, here = self.folder.at_end, self.folder.workers
        if here is None or (here.wanted is not None and here.wanted < n_workers):
            stack.close()
            if self.cluster is None:
                found = processes.local(n_workers, self.folder.root / "parts")
            else:
                found = cluster.existing(self.cluster, self.folder.root / "parts")
            here = self.folder.workers = stack.enter_context(found)
        return here

    def _of_all(self, names: Mapping[str, str]) -> Iterator[Done]:
        """Every piece, when this shard is the last to end."""
        self.folder.take_over()
        store = self.folder.pieces
        store.refresh()
        if missing := sum(name not in store for name in names):
            raise Unfinished(self.folder.root, self.folder.share, missing, len(names))
        for name, key in names.items():
            yield Done(key, self._read(name)[0])

    def _read(self, name: str) -> tuple[Result | Failure, float]:
        try:
            arrays, about = self.folder.pieces.read(name)
            return unpacked(arrays, about), about["seconds"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            text = f"a record in {self.folder.root / 'parts'} was whole and cannot be read back ({error})"
            raise StorageError(f"{text}; run the same command again.") from error


def name_of(function: Callable, key: str, identity: str) -> str:
    """Name of a piece in the store; two functions may be mapped over equal pieces."""
    function = unwrapped(function)
    function = function.one if isinstance(function, Batchable) else function
    text = f"{function.__module__}.{function.__qualname__} {key} {identity}"
    return hashlib.sha256(text.encode()).hexdigest()


def kind_of(piece: Any) -> str:
    """What a piece is one of, for estimates of time: its `kind`, or its arm."""
    arm = piece.get("arm", "") if isinstance(piece, Mapping) else ""
    return str(getattr(piece, "kind", arm))
