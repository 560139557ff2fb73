"""Many pieces of work side by side, each kept as soon as it is finished."""

import contextlib
import logging
import signal
import tempfile
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from recirc.analyses.pieces import Failure, Result, piece_key
from recirc.runs import provenance
from recirc.runs.atomic import StorageError
from recirc.runs.environment import environment, keep_compiled_programs
from recirc.runs.parts import read_part, write_part
from recirc.runs.progress import Progress
from recirc.runs.store import RunFolder

RETRIES = 3


class VersionError(RuntimeError):
    """A worker has other versions of the packages than the process that it works for."""


def run_all(
    function: Callable[[Any], Result],
    specifications: Iterable[Any],
    *,
    jobs: int,
    folder: RunFolder,
    progress: Progress | None = None,
) -> Iterator[tuple[Any, Result | Failure]]:
    """Apply a function to every specification, in worker processes, keeping each result in the folder.

    Results do not depend on `jobs` or on the order. Equal specifications are computed once, and what an
    earlier, interrupted call has finished is not computed again. A worker that is killed is replaced, and its
    piece tried up to three times more. A script that calls this needs `if __name__ == "__main__":`.

    Args:
        function: pure, at the top level of a module; takes its random key from `specification_key`.
        specifications: dataclasses or JSON.
        jobs: worker processes, each with one thread.
        folder: where finished pieces are kept.
        progress: told of every piece.

    Yields:
        (specification, result or failure), in the order given, as soon as each is there.

    Raises:
        ValueError: if `jobs` is not positive.
        StorageError: if a result cannot be written.
        VersionError: if a worker has other package versions.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}.")
    pieces = {_piece_key(function, specification): specification for specification in specifications}
    failures: dict[str, Failure | None] = {key: None for key in pieces if read_part(folder.part_path(key), key)}
    todo = {key: specification for key, specification in pieces.items() if key not in failures}
    for key in todo:
        folder.part_path(key).unlink(missing_ok=True)
    progress = progress or Progress()
    progress.start(len(pieces), len(failures))
    with contextlib.closing(_compute(function, todo, jobs, folder, progress)) as computed:
        for key, specification in pieces.items():
            while key not in failures:
                finished, failure = next(computed)
                failures[finished] = failure
            yield specification, failures[key] or _kept(folder.part_path(key), key)


def _piece_key(function: Callable, specification) -> str:
    name = f"{function.__module__}.{function.__qualname__}"
    return piece_key({"function": name, "specification": specification})


def _kept(path: Path, key: str) -> Result:
    result = read_part(path, key)
    if result is None:
        raise StorageError(f"{path} was written and cannot be read back; run the same command again.")
    return result


def _compute(function, todo: dict, jobs: int, folder: RunFolder, progress: Progress):
    """(key, failure or None) of each piece, as they finish.

    There are never more pieces in flight than live workers, so that the death of one is blamed on one piece.
    """
    if not todo:
        return
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
                if not _was_killed(future):
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


def _was_killed(future) -> bool:
    from distributed import KilledWorker

    return isinstance(future.exception(), KilledWorker)


def _finished(running: dict, progress: Progress) -> list:
    from distributed import wait

    while True:
        try:
            return list(wait(list(running), 1, "FIRST_COMPLETED").done)  # pyright: ignore
        except TimeoutError:
            progress.tick()


def run_piece(versions: dict, function, specification, path: Path, key: str) -> Failure | None:
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
    try:
        write_part(path, key, function(specification))
    except StorageError:
        raise
    except Exception as error:
        return Failure(f"{type(error).__name__}: {error}", traceback.format_exc())
    return None


@contextlib.contextmanager
def _cluster(n_workers: int, folder: RunFolder):
    """Client of a cluster of processes on this machine, and the log that it grows."""
    import dask.config
    from distributed import Client, LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.scheduler.worker-ttl": None,
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.worker.multiprocessing-method": "spawn",
    }
    log = _Log()
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        place = tempfile.TemporaryDirectory(dir=folder.root / "parts", prefix="workers-", ignore_cleanup_errors=True)
        cluster = LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            local_directory=stack.enter_context(place),
            memory_limit=0,
            silence_logs=logging.CRITICAL,
            env=environment(),
            preload=[__name__],
        )
        stack.enter_context(cluster)
        stack.enter_context(log.attached())
        yield stack.enter_context(Client(cluster)), log.lines


def dask_setup(_worker) -> None:
    """In a new worker: leave Ctrl-C and the like to the process that it works for."""
    for name in ("SIGINT", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


class _Log(logging.Handler):
    """Keeps what the cluster says about the deaths of its processes."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "killed" in record.getMessage():
            self.lines.append(record.getMessage())

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        logger = logging.getLogger("distributed.nanny")
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)
