"""Workers that are this process: what a driver does with bundles, without starting others."""

import contextlib

from recirc.runs import worker
from recirc.runs.engine import Engine


class _Future:
    status = "finished"

    def __init__(self, result):
        self._result = result

    def result(self):
        return self._result

    def exception(self):
        return None


class _Client:
    def submit(self, function, *arguments, pure):
        return _Future(function(*arguments))


class Inline(Engine):
    def __init__(self, seconds: float = 2.0):
        super().__init__(_Client(), 1, seconds, [])

    def n_workers(self):
        return 1

    def finished(self, running, progress):
        return running[:1]


def use(monkeypatch, seconds: float = 2.0) -> None:
    """Make every map compute in this process."""
    monkeypatch.setattr("recirc.runs.engine.local", lambda n_workers, place: contextlib.nullcontext(Inline(seconds)))
    monkeypatch.setattr(worker, "_unfit", lambda versions: "")
