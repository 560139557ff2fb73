"""Many pieces of work side by side, each kept in a run folder as soon as it is finished."""

import contextlib
import ctypes
import functools
import logging
import os
import signal
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from recirc.analyses.pieces import Done, Failure, Result, compute, piece_key
from recirc.runs import provenance
from recirc.runs.environment import environment, keep_compiled_programs, plain_messages
from recirc.runs.progress import Progress
from recirc.runs.store import RunFolder, read_part, write_part
from recirc.storage import StorageError

RETRIES = 3
MOST_MEMORY = 750e6  # bytes of a worker between two pieces, beyond which it forgets its compiled programs


class VersionError(RuntimeError):
    """A worker has other versions of the packages than the process that it works for."""


class FolderMap:
    """A map over pieces that uses worker processes and keeps each result in a run folder.

    Results do not depend on `jobs`. What an earlier, interrupted call has finished is not computed again. A worker that
    is killed is replaced, and its piece tried up to three times more. A script needs `if __name__ == "__main__":`.

    Args:
        folder: where finished pieces are kept.
        jobs: worker processes, each with one thread.
        progress: told of every piece; by default a `Progress` that calls pieces what they call themselves.

    Raises:
        ValueError: if `jobs` is not positive.

    Raises (when called):
        ValueError: if the script that calls it has no such guard.
        StorageError: if a result cannot be written.
        VersionError: if a worker has other package versions.

    Example:
        >>> with recirc.runs.RunFolder.open("folder", specification={}) as folder:
        ...     FolderMap(folder, jobs=1).jobs
        1
    """

    def __init__(self, folder: RunFolder, *, jobs: int = 1, progress: Progress | None = None):
        if jobs < 1:
            raise ValueError(f"jobs must be at least 1, got {jobs}.")
        self.folder, self.jobs, self.progress = folder, jobs, progress

    def __call__(self, function: Callable[[Any], Done], pieces: Iterable[Any]) -> Iterator[Done]:
        """Every piece as it is finished; those of an earlier call first."""
        pieces = {_store_key(function, piece): piece for piece in pieces}
        paths = {key: self.folder.part_path(key) for key in pieces}
        before = [key for key in pieces if read_part(paths[key], key)]
        todo = {key: piece for key, piece in pieces.items() if key not in before}
        for key in todo:
            paths[key].unlink(missing_ok=True)
        progress = self.progress or Progress(getattr(next(iter(pieces.values()), None), "what", "networks"))
        progress.start(len(pieces), len(before))
        for key in before:
            yield Done(piece_key(pieces[key]), _kept(paths[key], key))
        with contextlib.closing(_compute(function, todo, self.jobs, self.folder, progress)) as computed:
            for key, failure in computed:
                yield Done(piece_key(pieces[key]), failure or _kept(paths[key], key))


def _store_key(function: Callable, piece) -> str:
    """Name of a piece in the folder; two functions may be mapped over equal pieces."""
    while isinstance(function, functools.partial):
        function = function.args[1] if function.func is compute else function.func
    return piece_key({"function": f"{function.__module__}.{function.__qualname__}", "piece": piece})


def _kept(path: Path, key: str) -> Result:
    result = read_part(path, key)
    if result is None:
        raise StorageError(f"{path} was written and cannot be read back; run the same command again.")
    return result


def _compute(function, todo: dict, jobs: int, folder: RunFolder, progress: Progress):
    """(key, failure or None) of each piece, as they finish; a worker has one at a time, to be blamed for its death."""
    if not todo:
        return
    _need_guard()
    from distributed import KilledWorker

    versions, waiting, running, deaths, ready = provenance.versions(), deque(todo), {}, Counter(), []
    n_workers = min(jobs, len(todo))
    with contextlib.ExitStack() as stack:
        stack.callback(progress.stop)
        client, log = stack.enter_context(_cluster(n_workers, folder))
        while waiting or running:
            if waiting:
                client.wait_for_workers(n_workers, timeout=300)
            while waiting and len(running) < n_workers:
                key = waiting.popleft()
                work = (versions, function, todo[key], folder.part_path(key), key)
                running[client.submit(run_piece, *work, key=f"{key}-{deaths[key]}")] = key
            yield from ready  # now, when the workers are busy again
            ready = []
            for future in _finished(running, progress):
                key = running.pop(future)
                if not isinstance(future.exception(), KilledWorker):
                    ready.append((key, future.result()))
                elif deaths[key] < RETRIES:
                    deaths[key] += 1
                    waiting.appendleft(key)
                    continue
                else:
                    text = f"its process was killed {RETRIES + 1} times, perhaps because memory ran out"
                    ready.append((key, Failure(text, "\n".join(log))))
                progress.advance()
    yield from ready


def _need_guard() -> None:
    """Raise ValueError if the script that runs would be run again by every worker, which imports it."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script and Path(script).is_file() and "__name__" not in Path(script).read_text(errors="replace"):
        mend = 'put what it does under `if __name__ == "__main__":`'
        raise ValueError(f"{script} asks for worker processes, and each of them would run it again; {mend}.")


def _finished(running: dict, progress: Progress) -> list:
    from distributed import wait

    while True:
        try:
            return list(wait(list(running), 1, "FIRST_COMPLETED").done)  # pyright: ignore
        except TimeoutError:
            progress.tick()


def run_piece(versions: dict, function, piece, path: Path, key: str) -> Failure | None:
    """In a worker: compute one piece and keep it.

    Raises:
        VersionError: if this process has other versions than `versions`.
        StorageError: if the result cannot be written.
    """
    import jax

    here = provenance.versions()
    other = [f"{name} {here.get(name)}, not {wanted}" for name, wanted in versions.items() if here.get(name) != wanted]
    if other:
        raise VersionError(f"a worker has {'; '.join(other)}. Install the same versions everywhere.")
    if path.exists():  # its worker died after it was kept and before it was reported
        return None
    jax.config.update("jax_enable_x64", True)
    keep_compiled_programs()
    result = function(piece).result
    free_memory()
    return result if isinstance(result, Failure) else write_part(path, key, result)


def free_memory() -> None:
    """Give unused memory back to the system, and forget compiled programs, which are on disk, if much stays in use."""
    import jax

    with contextlib.suppress(OSError, AttributeError):  # systems other than Linux
        ctypes.CDLL(None).malloc_trim(0)
        n_pages = int(Path("/proc/self/statm").read_text().split()[1])
        if n_pages * os.sysconf("SC_PAGESIZE") > MOST_MEMORY:
            jax.clear_caches()


@contextlib.contextmanager
def _cluster(n_workers: int, folder: RunFolder):
    """Client of a cluster of processes on this machine, and a growing log of the deaths of these."""
    import dask.config
    from distributed import Client, LocalCluster

    settings = {
        "distributed.deploy.lost-worker-timeout": "300s",  # a busy machine takes its time to start another
        "distributed.admin.large-graph-warning-threshold": "4 GiB",  # every piece carries its recording
        "distributed.scheduler.allowed-failures": 0,
        "distributed.scheduler.worker-ttl": None,
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.worker.multiprocessing-method": "spawn",
    }
    log: list[str] = []

    def note_death(record: logging.LogRecord) -> bool:
        log.extend([record.getMessage()] if "killed" in record.getMessage() else [])
        return True

    nanny = logging.getLogger("distributed.nanny")
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        place = tempfile.TemporaryDirectory(dir=folder.root / "parts", prefix="workers-", ignore_cleanup_errors=True)
        cluster = LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True, host="127.0.0.1", memory_limit=0,
            dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False}, silence_logs=logging.CRITICAL,
            local_directory=stack.enter_context(place), env=environment(), preload=[__name__],
        )  # fmt: skip
        stack.enter_context(cluster)
        nanny.addFilter(note_death)
        stack.callback(nanny.removeFilter, note_death)
        yield stack.enter_context(Client(cluster)), log


def dask_setup(worker) -> None:
    """In a new worker: leave Ctrl-C and the like to the process that it works for, and warn in sentences."""
    worker.plain = contextlib.ExitStack()
    worker.plain.enter_context(plain_messages())
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
