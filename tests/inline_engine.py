"""Workers that are this process: what a driver does with bundles, without starting others."""

import contextlib
import functools

from recirc.runs import worker
from recirc.runs.engine import Engine


class Inline(Engine):
    def __init__(self, seconds: float = 2.0):
        super().__init__(None, 1, seconds, [])

    def workers(self):
        return ["here"]

    def submit(self, worker, function, *arguments):
        return functools.partial(function, *arguments)

    def finished(self, running, progress):
        return [(running[0], running[0]())]


def use(monkeypatch, seconds: float = 2.0) -> None:
    """Make every map compute in this process."""
    monkeypatch.setattr("recirc.runs.processes.local", lambda n_workers, place: contextlib.nullcontext(Inline(seconds)))
    monkeypatch.setattr(worker, "_unfit", lambda versions, device: "")
