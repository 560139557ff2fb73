"""What the paper leaves open, read in many ways: in how many of them hints help, and which choice decides."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recirc.analyses import by_seed

ERROR, UNSEEN = "output_nmse", "heldout_direction"
TRAINS = 0.05  # output error on trained directions up to which a network does the task
LOGARITHMIC = ("drive", "update_interval", "penalty")


def outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """Per reading: `effect`, the log of the error on new directions without hints over that with hints, and `trains`.

    A reading trains if both arms do the task; where a network has no finite error, `effect` is nan.
    """
    of = lambda arm, where: by_seed(table, ERROR, arm, set=where, reading="sampled")  # noqa: E731
    columns = {(arm, where): of(arm, where) for arm in ("hints", "no_hints") for where in ("train", UNSEEN)}
    errors = pd.DataFrame(columns).sort_index()
    ratio = errors["no_hints", UNSEEN].astype(float) / errors["hints", UNSEEN].astype(float)
    worst = np.max(errors[[("hints", "train"), ("no_hints", "train")]].to_numpy(float), axis=1)
    return pd.DataFrame({"effect": np.log(ratio), "trains": (worst <= TRAINS) & ratio.notna()})


def partial_r2(effect: np.ndarray, choices: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    r"""Share of what the other choices leave unexplained of the effect that one choice explains, by its name.

    $R^2_j = 1 - \mathrm{SSE} / \mathrm{SSE}_{-j}$ of least squares with an intercept, all choices at once and all but
    one; numbers as they are or as logarithms, other choices as a column per level.

    Args:
        effect: of every reading.
        choices: of every reading, by name.

    Returns:
        nan for all where there are no more readings than coefficients.

    Example:
        >>> choices = [{"gain": i, "is_held": bool(i % 3)} for i in range(8)]
        >>> {name: round(share, 6) for name, share in partial_r2(2.0 * np.arange(8), choices).items()}
        {'gain': 1.0, 'is_held': 0.0}
    """
    parts = {name: _columns(name, [choice[name] for choice in choices]) for name in choices[0]}
    if len(effect) <= 1 + sum(part.shape[1] for part in parts.values()):
        return dict.fromkeys(parts, np.nan)

    def unexplained(names) -> float:
        design = np.column_stack([np.ones(len(effect)), *(parts[name] for name in names)])
        return float(((effect - design @ np.linalg.lstsq(design, effect, rcond=None)[0]) ** 2).sum())

    whole, floor = unexplained(parts), 1e-12 * float(((effect - effect.mean()) ** 2).sum())
    without = {name: unexplained([other for other in parts if other != name]) for name in parts}
    return {name: 1 - whole / error if error > floor else 0.0 for name, error in without.items()}


def _columns(name: str, values: Sequence[Any]) -> np.ndarray:
    """Centered columns of a choice in a regression."""
    if isinstance(values[0], (str, bool)):
        levels = sorted(set(values))[1:]
        columns = np.array([[float(value == level) for level in levels] for value in values])
    else:
        numbers = np.array(values, float)[:, None]
        columns = np.log(numbers) if name in LOGARITHMIC else numbers
    return columns - columns.mean(axis=0)
