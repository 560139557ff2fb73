"""Workers that are processes on this machine."""

import contextlib
import functools
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from recirc.runs.engine import ClusterError, Engine
from recirc.runs.environment import environment

LOCAL_SECONDS = 2.0  # of work in a bundle: little is lost when a driver on this machine ends
STARTS = 5  # of a worker that dies before it is there
_DEATH = "Worker process"  # what Dask's messages of deaths begin with


def need_guard() -> None:
    """Raise ValueError if the script that runs would be run again by every worker, which imports it."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script and Path(script).is_file() and "__name__" not in Path(script).read_text(errors="replace"):
        mend = 'put what it does under `if __name__ == "__main__":`'
        raise ValueError(f"{script} asks for worker processes, and each of them would run it again; {mend}.")


@contextlib.contextmanager
def local(n_workers: int, place: Path) -> Iterator[Engine]:
    """Processes on this machine.

    Args:
        n_workers: how many, each with one thread.
        place: folder for their files.

    Raises:
        ValueError: if the script that asks for them has no `if __name__ == "__main__":`.
        ClusterError: if none can be started.
    """
    need_guard()
    import dask.config
    from distributed import Client, LocalCluster

    settings = {
        "distributed.deploy.lost-worker-timeout": "300s",  # a busy machine takes its time to start another
        "distributed.admin.large-graph-warning-threshold": "4 GiB",  # every bundle carries its recording
        "distributed.nanny.pre-spawn-environ": {},  # else memory goes back at once, and a sixth of the time with it
        "distributed.scheduler.allowed-failures": 0,
        "distributed.scheduler.worker-ttl": None,
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.worker.multiprocessing-method": "spawn",
    }
    log: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        reason = f": {record.exc_info[1]}" if record.exc_info else ""
        is_telling = _DEATH in record.getMessage() or record.levelno >= logging.ERROR
        log.extend([f"{record.getMessage()}{reason}"] if is_telling else [])
        return True

    nanny = logging.getLogger("distributed.nanny")
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        files = tempfile.TemporaryDirectory(dir=place, prefix="workers-", ignore_cleanup_errors=True)
        nanny.addFilter(note)
        stack.callback(nanny.removeFilter, note)
        stack.push(contextlib.suppress(TimeoutError))  # a worker that is slow to end
        where = stack.enter_context(files)
        try:
            cluster = stack.enter_context(LocalCluster(
                n_workers=n_workers, threads_per_worker=1, processes=True, host="127.0.0.1", memory_limit=0,
                dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False}, silence_logs=logging.CRITICAL,
                local_directory=where, env=environment(), preload=["recirc.runs.preload"],
            ))  # fmt: skip
        except RuntimeError as error:
            log.extend([] if log else [f"{error.__cause__ or error}"])
            raise _not_started(n_workers, str(place), log) from error
        client = stack.enter_context(Client(cluster))
        check = functools.partial(_check, cluster, n_workers, str(place), log)
        yield Engine(client, n_workers, LOCAL_SECONDS, log, str(place), check)


def _check(cluster, n_workers: int, place: str, log: list[str], heard: list[str]) -> None:
    """Raise ClusterError if nobody starts workers any more, or those that are started die again and again."""
    from distributed import Status

    gone = (Status.closing, Status.closed, Status.failed)
    n_deaths = sum(_DEATH in line for line in heard)
    if n_deaths >= STARTS * n_workers or all(nanny.status in gone for nanny in cluster.workers.values()):
        raise _not_started(n_workers, place, log)


def _not_started(n_workers: int, place: str, log: list[str]) -> ClusterError:
    """What to say when no worker process of this machine is left."""
    last = f" The last that was heard of them: {log[-1]}" if log else ""
    mend = f"see that {place} can be written and memory is free, or give fewer --jobs, and run the same command"
    return ClusterError(f"worker processes could not be started here ({n_workers} were asked for); {mend}.{last}")
