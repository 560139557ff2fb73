"""Settings of a worker process, made before JAX is imported: `dask worker --preload recirc.runs.preload`."""

import contextlib
import os
import signal
import threading

from recirc.runs.environment import environment, plain_messages

LEAVE = 30.0  # seconds from a SIGTERM to the end


def dask_setup(worker) -> None:
    """In a new worker: settle threads, leave Ctrl-C and the like to the driver, and warn in sentences."""
    os.environ.update(environment())
    worker.plain = contextlib.ExitStack()
    worker.plain.enter_context(plain_messages())
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # not where the worker itself has use for it
        signal.signal(signal.SIGTERM, _leave)


def _leave(number, _frame) -> None:
    """Let trainings keep their state; end by the driver's hand, which a batch system tells too, or after a while."""
    from recirc.train.checkpoint_folder import stop_trainings

    stop_trainings()
    timer = threading.Timer(LEAVE, os._exit, [128 + number])
    timer.daemon = True
    timer.start()
