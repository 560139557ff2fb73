"""What the networks of a sweep cost, before they are trained."""

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recirc.analyses.pieces import piece_key
from recirc.runs.folder_map import name_of
from recirc.runs.segments import Segments
from recirc.runs.store import identity_of
from recirc.runs.worker import packed
from recirc.studies.sweep.training import Piece, train_piece

N_TIMED = 4  # networks that are timed, of as many kinds


def cost(pieces: Sequence[Piece], out: Path) -> tuple[float, float, int, str]:
    """Seconds of the networks that are not finished, bytes of all, how many are finished, and how that is known.

    Args:
        pieces: every network.
        out: folder of the sweep, which may have finished ones.
    """
    store = Segments(out / "parts")
    store.refresh(alone=False)
    names = {name_of(train_piece, piece_key(piece), identity_of({})): piece for piece in pieces}
    finished = [name for name in names if name in store]
    known: dict[str, list[tuple[float, float]]] = {}
    for name in finished:
        known.setdefault(names[name].kind, []).append((store.read(name)[1]["seconds"], store.size(name)))
    how = f"the mean of {len(finished)} finished networks"
    if not known:
        kinds = list({piece.kind: piece for piece in pieces}.values())
        chosen = [kinds[i] for i in np.unique(np.linspace(0, len(kinds) - 1, N_TIMED).round().astype(int))]
        known, how = {piece.kind: [_timed(piece)] for piece in chosen}, f"measured on {len(chosen)} of them, compiled"
    means = {kind: np.mean(values, axis=0) for kind, values in known.items()}
    typical = np.mean(list(means.values()), axis=0)
    numbers = Counter(piece.kind for piece in names.values())
    left = numbers - Counter(names[name].kind for name in finished)
    seconds = sum(n * means.get(kind, typical)[0] for kind, n in left.items())
    return (
        float(seconds),
        float(sum(n * means.get(kind, typical)[1] for kind, n in numbers.items())),
        len(finished),
        how,
    )


def _timed(piece: Piece) -> tuple[float, float]:
    """Seconds and bytes of one network, from its first two passes."""
    trainer, found = piece.training.trainer, []
    n_passes = trainer.n_passes if "n_passes" in {field.name for field in dataclasses.fields(trainer)} else None
    for n in (1, 1, 2) if n_passes else (0, 0):  # the first of them compiles
        short = dataclasses.replace(trainer, n_passes=n) if n_passes else trainer
        began = time.perf_counter()
        result = train_piece(dataclasses.replace(piece, training=dataclasses.replace(piece.training, trainer=short)))
        found.append(time.perf_counter() - began)
    per_pass = max(found[-1] - found[1], 0.0)
    return found[1] + per_pass * ((n_passes or 1) - 1), len(packed("0" * 64, result, found[1]))
