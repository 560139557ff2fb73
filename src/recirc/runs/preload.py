"""Settings of a worker process, made before JAX is imported: `dask worker --preload recirc.runs.preload`."""

import contextlib
import os
import signal

from recirc.runs.environment import environment, plain_messages


def dask_setup(worker) -> None:
    """In a new worker: settle threads, leave Ctrl-C and the like to the driver, and warn in sentences."""
    os.environ.update(environment())
    worker.plain = contextlib.ExitStack()
    worker.plain.enter_context(plain_messages())
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
