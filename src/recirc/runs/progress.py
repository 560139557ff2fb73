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
        self._open()

    def _open(self) -> None:
        """Show a bar, if there is a place for one and something to do."""
        if self.before < self.total and (self.stream.isatty() or self._is_in_notebook()):
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            )  # fmt: skip
            console = Console(file=self.stream) if self.stream.isatty() else Console(force_jupyter=True)
            self._bar = Progress(*columns, console=console)
            self._task = self._bar.add_task(self.what, total=self.total, completed=self.done, note="")
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
        self._count()
        self.failed += failed
        self._left[kind] -= 1
        if seconds is not None and not failed:
            self.heard(kind, seconds)
        if self._bar:
            self._bar.update(self._task, completed=self.done, note=self._note())
        self.tick()

    def _count(self) -> None:
        self.done += 1

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


class WholeProgress(Progress):
    """One count for experiments that are done one after the other, each with rounds of pieces that it starts itself.

    The time that is left is that of the pieces of this round, and for every experiment after this one the mean of what
    the pieces of a finished one took, over the workers.

    Args:
        total: experiments.
        what: the experiments, in the plural.
        stream, clock: as for `Progress`.

    Example:
        >>> with WholeProgress(2, stream=sys.stdout) as progress:
        ...     progress.start(3, 3)
        ...     progress.ended()
        ...     progress.start(3, 1, ["a", "a"])
        1 of 2 runs were finished before; going on with 1.
    """

    def __init__(
        self,
        total: int,
        what: str = "runs",
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__(what, stream=stream, clock=clock)
        self.total, self.n_pieces, self._spent = total, 0, 0.0
        self._is_begun, self._of_ended = False, []

    def __enter__(self) -> "WholeProgress":
        return self

    def __exit__(self, *_) -> None:
        super().stop()

    def start(self, total: int, before: int = 0, kinds: Sequence[str] = ()) -> None:
        """Begin a round of an experiment."""
        self._left = Counter(kinds)
        if before < total and not self._is_begun:
            self._is_begun, self.before = True, self.done
            self._begun = self._said = self.clock()
            if self.before:
                rest = f"going on with {self.total - self.before}"
                print(f"{self.before} of {self.total} {self.what} were finished before; {rest}.", file=self.stream)
            self._open()

    def heard(self, kind: str, seconds: float) -> None:
        super().heard(kind, seconds)
        self._spent += seconds

    def _count(self) -> None:
        self.n_pieces += 1

    def ended(self) -> None:
        """An experiment has come to its end."""
        self._of_ended.append(self._spent)
        self.done, self._spent, self._left = self.done + 1, 0.0, Counter()
        if self._bar:
            self._bar.update(self._task, completed=self.done, note=self._note())

    def stop(self) -> None:
        """The end of a round, and not of the whole."""

    def seconds_left(self) -> float | None:
        after, here = self.total - self.done - 1, super().seconds_left()
        if here is None or (after > 0 and not self._of_ended):
            return None
        mean = sum(self._of_ended) / len(self._of_ended) if self._of_ended else 0.0
        return here + max(after, 0) * mean / max(self.n_workers, 1)

    def _note(self, now: float | None = None) -> str:
        minutes = ((self.clock() if now is None else now) - self._begun) / 60
        parts = [f"{self.failed} networks failed"] if self.failed else []
        if self.n_pieces and minutes > 0:
            parts.append(f"{self.n_pieces / minutes:,.2g} networks a minute")
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
