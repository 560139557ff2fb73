"""What pieces of work that failed said, in full: `failures.log` of a finished folder."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from recirc.analyses.pieces import Batchable, Done, Failure, Keyed, Map, canonical, unwrapped
from recirc.runs.locks import Share, Unfinished
from recirc.runs.progress import Progress

_MOST = 2000  # characters of what a piece says


class NotingMap:
    """A map that hands on what another one gives, and notes what failed.

    Args:
        map: does the work.
        of: whose pieces they are, as in `FolderMap`.
        noted: where to note it: what a piece is -> its failure.
    """

    def __init__(self, map: Map, of: str = "", noted: dict[tuple[str, str], Failure] | None = None):
        self.map: Any = map  # `share` and `within` where it has them
        self.of, self.noted = of, {} if noted is None else noted

    @property
    def share(self) -> Share:
        """That of the map that does the work."""
        return self.map.share

    def within(self, share: Share, of: str, progress: Progress | None = None) -> "NotingMap":
        """As `FolderMap.within`; what fails is noted in one place."""
        return NotingMap(self.map.within(share, of, progress), of, self.noted)

    def __call__(self, function: Callable[[Any], Done], pieces: Iterable[Any]) -> Iterator[Done]:
        """Every piece as the other map gives it."""
        pieces, failed = Keyed(pieces), {}
        try:
            for done in self.map(function, pieces):
                if isinstance(done.result, Failure):
                    failed[done.key] = done.result
                yield done
        except Unfinished as rest:
            raise Unfinished(rest.root, rest.here, rest.missing, rest.total, several=bool(self.of)) from None
        finally:
            for key, failure in failed.items():
                self.noted[self.of, f"{_name(function)} {canonical(pieces.by_key[key])[:_MOST]}"] = failure

    def log(self) -> str:
        """All that was noted: of every piece what happened, what it is, and the traceback or what the system said."""
        lines = [f"{noted.text}\n{piece}\n{noted.log.rstrip()}\n" for (_, piece), noted in sorted(
            self.noted.items(), key=lambda item: item[0])]  # fmt: skip
        return "\n".join(lines)


def _name(function: Callable) -> str:
    work = unwrapped(function)
    work = work.one if isinstance(work, Batchable) else work
    return f"{work.__module__}.{work.__qualname__}"
