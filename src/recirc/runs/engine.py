"""What a driver does with workers, wherever they are: bundles of pieces out, records in."""

import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any

from recirc.analyses.pieces import Failure
from recirc.runs import provenance
from recirc.runs.progress import Progress
from recirc.runs.worker import packed, records, run_bundle
from recirc.storage import StorageError
from recirc.train.checkpoint_folder import stop_trainings

RETRIES = 3
PATIENCE = 300.0  # seconds in which a worker comes
ON_ACCELERATOR = 256  # networks of a batch there, if nobody says how many
HEARD = 2.0  # seconds in which word of a death comes
GRACE = 20.0  # seconds in which trainings come to the end of a pass when they are to stop


class VersionError(ValueError):
    """A worker has other versions of the packages than the process that it works for, or other settings."""


class ClusterError(ValueError):
    """The workers, or their scheduler, are gone."""


class Bundles:
    """Pieces that wait, handed out in bundles of about so many seconds, or in batches.

    A batch goes out as it is, whoever takes it and whatever is left, since its size decides the last bits of what it
    gives. If its worker dies it goes out once more, and then piece by piece.

    Args:
        kinds: name in the store -> kind of each piece that is to be computed.
        seconds: of work in a bundle, by the mean of finished pieces of the same kind; one piece until there is any.
        progress: knows these means.
        batches: names that are one program each, with those that are finished already.
    """

    def __init__(
        self, kinds: Mapping[str, str], seconds: float, progress: Progress, batches: Iterable[Sequence[str]] = ()
    ):
        self.kinds, self.seconds, self.progress = kinds, seconds, progress
        self.batches, self.singly, self.deaths = deque(map(tuple, batches)), deque(), Counter()
        in_batches = {name for batch in self.batches for name in batch}
        self.waiting = deque(name for name in kinds if name not in in_batches)

    def __bool__(self) -> bool:
        return bool(self.waiting or self.singly or self.batches)

    def take(self, n_workers: int) -> tuple[str, ...]:
        """The next bundle; near the end they become smaller, so that all workers end together."""
        if self.singly:
            return (self.singly.popleft(),)
        if self.batches:
            return self.batches.popleft()
        most, bundle, seconds = -(-len(self.waiting) // (2 * n_workers)), [], 0.0
        while self.waiting and len(bundle) < most and (not bundle or seconds < self.seconds):
            mean = self.progress.mean_seconds(self.kinds[self.waiting[0]])
            if bundle and mean is None:
                break
            seconds += self.seconds if mean is None else mean
            bundle.append(self.waiting.popleft())
        return tuple(bundle)

    def stopped(self, names: Sequence[str]) -> None:
        """Take pieces back at which a worker was asked to stop; trainings go on from where they were."""
        self.singly.extend(names)

    def died(self, bundle: tuple[str, ...], is_batch: bool) -> list[str]:
        """Take a bundle back whose worker has died; returns the pieces that are given up."""
        self.deaths[bundle] += 1
        if is_batch and self.deaths[bundle] == 1:
            self.batches.appendleft(bundle)
            return []
        left = [name for name in bundle if name in self.kinds]
        given_up = [name for name in left if self.deaths[name,] > RETRIES]
        self.singly.extendleft(name for name in left if name not in given_up)
        return given_up


def compute(
    here: "Engine",
    function: Callable,
    todo: Mapping[str, tuple[str, Any]],
    progress: Progress,
    keep: Callable[[Sequence[tuple[str, bytes, bool]]], None],
    batches: Sequence[Mapping[str, Any]] = (),
) -> Generator[str]:
    """Names of pieces as they are finished and kept.

    Args:
        here: the workers.
        function: of one piece.
        todo: name in the store -> kind and piece.
        progress: started.
        keep: is given (name, record, whether it failed) of several pieces; also when this generator is closed, of those
            that workers had finished by then.
        batches: name -> piece of those that a worker does as one program, each with some that are to be done.

    Raises:
        VersionError: if a worker has other versions than this process.
        ClusterError: if the scheduler or all workers are gone.
    """
    from distributed import KilledWorker

    versions, running, ready = provenance.versions(), {}, []
    with contextlib.ExitStack() as stack:
        stack.callback(progress.stop)
        stack.callback(_keep_last, here, running, ready, todo, keep)
        kinds, shared = {name: kind for name, (kind, _) in todo.items()}, {tuple(batch): batch for batch in batches}
        bundles = Bundles(kinds, here.seconds, progress, shared)
        while bundles or running:
            # A worker gets a bundle when its last one is here: its death then costs nothing that was finished.
            workers, busy = here.workers(), {worker for _, worker in running.values()}
            progress.n_workers = len(workers)
            for worker in [worker for worker in workers if worker not in busy]:
                if bundle := bundles.take(len(workers)):
                    work = list(shared[bundle].items() if bundle in shared else [(n, todo[n][1]) for n in bundle])
                    arguments = versions, function, work, here.scratch, bundle in shared
                    running[here.submit(worker, run_bundle, *arguments)] = bundle, worker
            yield from _kept(ready, keep)  # now, when the workers are busy again
            news = dict(here.finished(list(running), progress))
            lost = {future: None for future, (_, worker) in running.items() if worker not in workers}
            for future, came in (lost | news).items():
                bundle, _ = running.pop(future)
                if came is None or isinstance(came, KilledWorker):
                    found = [_given_up(name, here.heard()) for name in bundles.died(bundle, bundle in shared)]
                elif isinstance(came, BaseException):
                    raise came
                else:
                    found = [one for one in _received(came) if one[0] in todo]
                    bundles.stopped([n for n in bundle if n in todo and n not in {name for name, *_ in found}])
                for name, _, failed, seconds in found:
                    progress.advance(todo[name][0], seconds, failed=failed)
                ready += [(name, record, failed) for name, record, failed, _ in found]
        yield from _kept(ready, keep)


def _kept(ready: list[tuple[str, bytes, bool]], keep: Callable) -> list[str]:
    """Names of what was ready, when it is kept; nothing is ready then."""
    names = [name for name, *_ in ready]
    if ready:
        keep(ready)
    ready.clear()
    return names


def _keep_last(here: "Engine", running: Mapping, ready: list, todo: Mapping, keep: Callable) -> None:
    """At an end before the work's, keep what workers have finished, and let their trainings keep their state."""
    for data in here.stop_trainings(running):
        with contextlib.suppress(VersionError):  # it is perhaps why it ends
            ready += [(name, record, failed) for name, record, failed, _ in _received(data) if name in todo]
    with contextlib.suppress(StorageError):  # a full disk is perhaps why it ends
        _kept(ready, keep)


@contextlib.contextmanager
def _scheduler_is_there() -> Iterator[None]:
    """Make what Dask raises when its scheduler has gone one sentence."""
    try:
        yield
    except (OSError, CancelledError) as error:
        text = "the scheduler is gone; what is finished is kept. Start it again and run the same command."
        raise ClusterError(text) from error


def _received(data: bytes) -> Iterator[tuple[str, bytes, bool, float]]:
    for record, about in records(data):
        if "refused" in about:
            raise VersionError(about["refused"])
        yield about["name"], record, "failure" in about, about["seconds"]


def _given_up(name: str, log: list[str]) -> tuple[str, bytes, bool, None]:
    text = f"its process was killed {RETRIES + 1} times, perhaps because memory ran out"
    return name, packed(name, Failure(text, "\n".join(log)), 0.0), True, None


class Engine:
    """Workers that are there.

    Args:
        client: of their scheduler.
        wanted: how many processes were asked for; None for those that there are.
        seconds: of work in a bundle.
        log: what was heard of deaths.
        scratch: folder where trainings keep their state; None for nowhere.
        check: raises ClusterError if none will come; it is given what was heard of deaths since there are no workers.
    """

    def __init__(
        self,
        client,
        wanted: int | None,
        seconds: float,
        log: list[str],
        scratch: str | None = None,
        check: Callable[[list[str]], None] = lambda heard: None,
    ):
        self.client, self.wanted, self.seconds, self.log, self.scratch = client, wanted, seconds, log, scratch
        self.check = check

    @_scheduler_is_there()
    def workers(self) -> list[str]:
        """Addresses of those that are there now; waits if there are none."""
        until, n_heard = time.monotonic() + PATIENCE, len(self.log)
        while not (found := list(self.client.nthreads())):
            self.check(self.log[n_heard:])
            if time.monotonic() > until:
                raise ClusterError(f"no worker came within {PATIENCE:.0f} s; start some and run the same command.")
            with contextlib.suppress(TimeoutError):
                self.client.wait_for_workers(1, timeout=1)
        return found

    @_scheduler_is_there()
    def submit(self, worker: str, function: Callable, *arguments):
        """A future of the function's result on a worker; it stays pending if that worker is gone."""
        return self.client.submit(function, *arguments, pure=False, workers=[worker])

    @_scheduler_is_there()
    def finished(self, running: list, progress: Progress) -> list[tuple[Any, bytes | BaseException]]:
        """Those of the futures that have ended within a second, each with what came back or went wrong."""
        from distributed import wait

        try:
            done = wait(running, 1, "FIRST_COMPLETED").done  # pyright: ignore
        except TimeoutError:
            progress.tick()
            return []
        return [(future, future.exception() or future.result()) for future in done]

    def heard(self) -> list[str]:
        """What was heard of deaths of processes here; word of the first may come a moment after it."""
        until = time.monotonic() + HEARD
        while self.wanted is not None and not self.log and time.monotonic() < until:
            time.sleep(0.05)
        return self.log

    def stop_trainings(self, running: Mapping[Any, tuple[tuple[str, ...], str]]) -> list[bytes]:
        """Stop trainings at the end of their pass, with a checkpoint, if they have a place for it; at most `GRACE`.

        Args:
            running: future -> bundle and worker.

        Returns:
            What workers had finished.
        """
        from distributed import wait

        if not running or self.scratch is None:
            return []
        with contextlib.suppress(OSError, CancelledError):  # workers that have gone
            workers = list({worker for _, worker in running.values()})
            training = self.client.run(stop_trainings, workers=workers, on_error="ignore")
            stopping = [future for future, (_, worker) in running.items() if training.get(worker)]
            with contextlib.suppress(TimeoutError):
                wait(stopping, GRACE)
            return [future.result() for future in running if future.status == "finished"]
        return []


def batch_size(asked: int | None) -> int:
    """How many pieces are one program: as asked, otherwise one on a CPU and `ON_ACCELERATOR` elsewhere."""
    import jax

    return asked or (1 if jax.default_backend() == "cpu" else ON_ACCELERATOR)
