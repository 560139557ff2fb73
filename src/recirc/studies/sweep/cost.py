"""What the pieces of a sweep cost, before they are computed."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recirc.analyses.pieces import Done
from recirc.runs.segments import Segments
from recirc.runs.worker import packed
from recirc.studies.sweep.training import Piece, train_piece

N_PASSES = 6  # of a network that is timed
N_TIMED = 4  # pieces that are timed, of as many kinds


class Work(NamedTuple):
    """A piece that is to be computed: what it is one of, and what gives its seconds and bytes."""

    kind: str
    timed: Callable[[], tuple[float, float]]


class Cost(NamedTuple):
    """Seconds of one core for what is not finished, bytes of all, how many are finished, and how that is known."""

    seconds: float
    n_bytes: float
    n_finished: int
    how: str


def cost(pieces: Mapping[str, Work], out: Path, timed: str) -> Cost:
    """What pieces cost, by the mean of finished ones of their kind, or of a few that are computed here.

    Args:
        pieces: every piece, by its name in the store.
        out: folder of the sweep, which may have finished ones.
        timed: how those are timed that are computed here, in words.
    """
    store = Segments(out / "parts")
    store.refresh(alone=False)
    finished = [name for name in pieces if name in store]
    known: dict[str, list[tuple[float, float]]] = {}
    for name in finished:
        known.setdefault(pieces[name].kind, []).append((store.read(name)[1]["seconds"], store.size(name)))
    how = f"the mean of {len(finished)} finished networks"
    if not known:
        kinds = list({piece.kind: piece for piece in pieces.values()}.values())
        chosen = [kinds[i] for i in np.unique(np.linspace(0, len(kinds) - 1, N_TIMED).round().astype(int))]
        known, how = {piece.kind: [piece.timed()] for piece in chosen}, f"measured on {len(chosen)} of them, {timed}"
    means = {kind: np.mean(values, axis=0) for kind, values in known.items()}
    typical = np.mean(list(means.values()), axis=0)
    numbers = Counter(piece.kind for piece in pieces.values())
    left = numbers - Counter(pieces[name].kind for name in finished)
    seconds = sum(n * means.get(kind, typical)[0] for kind, n in left.items())
    n_bytes = sum(n * means.get(kind, typical)[1] for kind, n in numbers.items())
    return Cost(float(seconds), float(n_bytes), len(finished), how)


def time_training(piece: Piece) -> tuple[float, float]:
    """Seconds and bytes of one network, from its first passes, when the programs are compiled."""
    trainer, found = piece.training.trainer, []
    n_passes = trainer.n_passes if "n_passes" in {field.name for field in dataclasses.fields(trainer)} else None
    most = min(n_passes or 0, N_PASSES)
    for n in (1, 1, most) if n_passes else (0, 0):  # the first of them compiles
        short = dataclasses.replace(trainer, n_passes=n) if n_passes else trainer
        began = time.perf_counter()
        result = train_piece(dataclasses.replace(piece, training=dataclasses.replace(piece.training, trainer=short)))
        found.append(time.perf_counter() - began)
    per_pass = max(found[-1] - found[1], 0.0) / max(most - 1, 1)
    return found[1] + per_pass * ((n_passes or 1) - 1), len(packed("0" * 64, result, found[1]))


def time_whole(function: Callable[[Any], Done], piece: Any) -> tuple[float, float]:
    """Seconds and bytes of any piece, with compiling."""
    began = time.perf_counter()
    result = function(piece).result
    seconds = time.perf_counter() - began
    return seconds, len(packed("0" * 64, result, seconds))
