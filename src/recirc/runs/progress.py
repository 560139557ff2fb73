"""How far a long run is: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

INTERVAL = 30.0  # seconds between lines where there is no terminal


class Progress:
    """Counts finished pieces of work, and says when the rest will be done.

    Args:
        what: the pieces, in the plural.
        stream: where to write; standard error by default.
        clock: seconds, ever increasing.

    Example:
        >>> progress = Progress("networks", stream=sys.stdout)
        >>> progress.start(20, 12)
        12 of 20 networks were finished before; going on with 8.
    """

    def __init__(
        self, what: str = "networks", *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ):
        self.what, self.stream, self.clock = what, stream or sys.stderr, clock
        self.total = self.before = self.done = 0
        self._begun = self._said = clock()
        self._bar = None

    def start(self, total: int, before: int = 0) -> None:
        """Begin counting to `total`, of which `before` are finished already."""
        self.total, self.before, self.done = total, before, before
        self._begun = self._said = self.clock()
        if before:
            rest = f"going on with {total - before}" if before < total else "nothing is left to do"
            print(f"{before} of {total} {self.what} were finished before; {rest}.", file=self.stream, flush=True)
        if self.stream.isatty() and before < total:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(file=self.stream))
            self._task = self._bar.add_task(self.what, total=total, completed=before)
            self._bar.start()

    def advance(self) -> None:
        """One more is finished."""
        self.done += 1
        if self._bar:
            self._bar.advance(self._task)
        self.tick()

    def tick(self) -> None:
        """Say something if it is time; call it about once a second."""
        now, n_new, left = self.clock(), self.done - self.before, ""
        if self._bar is None and now - self._said >= INTERVAL:
            self._said = now
            if n_new and self.done < self.total:
                seconds = (now - self._begun) / n_new * (self.total - self.done)
                left = f", about {seconds / 60:.0f} min left" if seconds >= 90 else f", about {seconds:.0f} s left"
            print(f"{self.done} of {self.total} {self.what} are finished{left}.", file=self.stream, flush=True)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()
            self._bar = None
