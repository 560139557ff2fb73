"""How far a long run is: a bar on a terminal and in a notebook, a line now and then elsewhere."""

import importlib.util
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TextIO

INTERVAL = 30.0  # seconds between lines where there is no terminal


class Progress:
    """Counts finished pieces of work and failures, and says when the rest will be done.

    The time that is left is that of the pieces which are left, each taken for as long as the mean of finished ones of
    its kind, over the workers.

    Args:
        what: the pieces, in the plural.
        stream: where to write; standard error by default, in a notebook that has ipywidgets a bar below the cell.
        clock: seconds, ever increasing.

    `n_workers` is how many pieces are computed at once.

    Example:
        >>> progress = Progress("networks", stream=sys.stdout)
        >>> progress.start(20, 12)
        12 of 20 networks were finished before; going on with 8.
    """

    def __init__(
        self, what: str = "networks", *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ):
        self.what, self.stream, self.clock = what, stream or sys.stderr, clock
        self.total = self.before = self.done = self.failed = 0
        self.n_workers = 1
        self._left, self._number = Counter(), Counter()
        self._seconds: dict[str, float] = {}
        self._begun = self._said = clock()
        self._bar = None

    def start(self, total: int, before: int = 0, kinds: Sequence[str] = ()) -> None:
        """Begin counting to `total`, of which `before` are finished already; `kinds` are those of the others."""
        self.total, self.before, self.done = total, before, before
        self._left = Counter(kinds)
        self._begun = self._said = self.clock()
        if before:
            rest = f"going on with {total - before}" if before < total else "nothing is left to do"
            print(f"{before} of {total} {self.what} were finished before; {rest}.", file=self.stream, flush=True)
        if before < total and (self.stream.isatty() or self._is_in_notebook()):
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            )  # fmt: skip
            console = Console(file=self.stream) if self.stream.isatty() else Console(force_jupyter=True)
            self._bar = Progress(*columns, console=console)
            self._task = self._bar.add_task(self.what, total=total, completed=before, note="")
            self._bar.start()

    def _is_in_notebook(self) -> bool:
        """Whether Rich can draw below the cell of a notebook in place of writing to standard error."""
        if self.stream is not sys.stderr or "IPython" not in sys.modules:
            return False
        from rich.console import Console

        return Console().is_jupyter and importlib.util.find_spec("ipywidgets") is not None

    def heard(self, kind: str, seconds: float) -> None:
        """A piece of this kind has taken so long, now or in an earlier call."""
        self._number[kind] += 1
        self._seconds[kind] = self._seconds.get(kind, 0.0) + seconds

    def mean_seconds(self, kind: str) -> float | None:
        """Mean over finished pieces of a kind, or of all kinds if there is none yet; None if nothing is finished."""
        if self._number[kind]:
            return self._seconds[kind] / self._number[kind]
        return sum(self._seconds.values()) / self._number.total() if self._number else None

    def seconds_left(self) -> float | None:
        """How long the rest will take; None as long as nothing is finished."""
        means = {kind: self.mean_seconds(kind) for kind in self._left}
        if None in means.values():
            return None
        return sum(n * (means[kind] or 0.0) for kind, n in self._left.items()) / max(self.n_workers, 1)

    def advance(self, kind: str = "", seconds: float | None = None, *, failed: bool = False) -> None:
        """One more is finished, or has failed; `seconds` is how long it took, None if that says nothing."""
        self.done += 1
        self.failed += failed
        self._left[kind] -= 1
        if seconds is not None and not failed:
            self.heard(kind, seconds)
        if self._bar:
            self._bar.update(self._task, completed=self.done, note=self._note())
        self.tick()

    def tick(self) -> None:
        """Say something if it is time; call it about once a second."""
        now = self.clock()
        if self._bar is None and now - self._said >= INTERVAL:
            self._said = now
            note = self._note(now)
            print(
                f"{self.done} of {self.total} {self.what} are finished{note and f', {note}'}.",
                file=self.stream, flush=True,
            )  # fmt: skip

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _note(self, now: float | None = None) -> str:
        """Failures, rate and time left."""
        minutes, new = ((self.clock() if now is None else now) - self._begun) / 60, self.done - self.before
        parts = [f"{self.failed} failed"] if self.failed else []
        if new and minutes > 0:
            parts.append(f"{new / minutes:,.{0 if new >= 10 * minutes else 2}f} a minute")
        if self.done < self.total and (left := self.seconds_left()) is not None:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(0.034), duration(62), duration(600), duration(90000)
    ('0.03 s', '62 s', '10 min', '25.0 h')
    """
    if seconds < 90:
        return f"{seconds:.{'1g' if seconds < 1 else '0f'}} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
