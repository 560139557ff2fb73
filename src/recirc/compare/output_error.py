"""How well outputs match: normalized squared error and explained variance."""

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import numpy as np

from recirc.compare.base import UNITS, AbstractNull, AbstractSimilarity
from recirc.compare.samples import check_same_samples, condition_groups
from recirc.types import Activity, Direction, Level, Score


class OutputNMSE(AbstractSimilarity):
    r"""Squared error of outputs over squared target.

    $$\mathrm{nMSE} = \frac{\sum (z - f)^2}{\sum f^2}$$

    z are the outputs of the first activity, f those of the second, summed over trials, times and outputs. 0
    is best; an output of zero scores 1.

    Returns (when called): metric `output_nmse`; parts `per_condition` (in the order of `condition`) and
    `per_output`, nan where a target is zero.

    Raises:
        ValueError: when called, if an activity has no outputs, or the target is zero everywhere.

    Source: DePasquale et al. 2018 (doi 10.1371/journal.pone.0191527), not in per cent.

    Example:
        >>> import numpy as np
        >>> wave = np.sin(np.arange(50))[None, :, None]
        >>> a, b = (recirc.Activity(wave, dt=0.01, conditions=["go"], outputs=scale * wave) for scale in (0.5, 1.0))
        >>> round(OutputNMSE()(a, b).value, 2)
        0.25
    """

    metric: ClassVar[str] = "output_nmse"
    label: ClassVar[str] = "output error (nMSE)"
    level: ClassVar[Level] = "performance"
    direction: ClassVar[Direction] = "lower"
    blind_to: ClassVar[frozenset[str]] = UNITS
    nulls: ClassVar[tuple[AbstractNull, ...]] = ()

    def __call__(self, a: Activity, b: Activity) -> Score:
        outputs, targets = paired_outputs(a, b)
        return normalized_error(outputs, targets, np.ones(targets.shape[:2]), b.conditions, level=self.level)


class OutputR2(AbstractSimilarity):
    r"""Share of the target's variance that the outputs explain.

    $$R^2 = 1 - \frac{\sum (z - f)^2}{\sum (f - \bar f)^2}$$

    z are the outputs of the first activity, f those of the second, and the mean of f is taken for every
    output over trials and times.

    Args:
        groups: outputs to pool, by index, such as ((0, 1), (2, 3)) for velocity and position, so that the
            group with more variance does not hide the other; None pools all.

    Returns (when called): metric `output_r2`, the smallest over the groups; parts `per_output` and `per_group`.

    Raises:
        ValueError: if a group is empty; when called, if a group has an output that is not there or constant.

    Example:
        >>> import numpy as np
        >>> wave = np.sin(np.arange(50))[None, :, None]
        >>> a, b = (recirc.Activity(wave, dt=0.01, conditions=["go"], outputs=scale * wave) for scale in (0.5, 1.0))
        >>> round(OutputR2()(a, b).value, 2)
        0.75
    """

    metric: ClassVar[str] = "output_r2"
    label: ClassVar[str] = "output R²"
    level: ClassVar[Level] = "performance"
    direction: ClassVar[Direction] = "higher"
    blind_to: ClassVar[frozenset[str]] = UNITS
    nulls: ClassVar[tuple[AbstractNull, ...]] = ()

    groups: tuple[tuple[int, ...], ...] | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.groups is not None and not (self.groups and all(self.groups)):
            raise ValueError(f"groups must each have an output, such as ((0, 1), (2, 3)), got {self.groups}.")

    def __call__(self, a: Activity, b: Activity) -> Score:
        outputs, targets = paired_outputs(a, b)
        groups = (tuple(range(targets.shape[2])),) if self.groups is None else self.groups
        error = ((outputs - targets) ** 2).sum((0, 1))
        spread = ((targets - targets.mean((0, 1))) ** 2).sum((0, 1))
        per_group = []
        for group in groups:
            index = output_index(group, targets.shape[2])
            if not spread[index].sum() > 0:
                raise ValueError(f"target outputs {group} are constant, with no variance to explain; use OutputNMSE.")
            per_group.append(1 - error[index].sum() / spread[index].sum())
        parts = {"per_output": 1 - _ratio(error, spread), "per_group": np.array(per_group)}
        return self.score(min(per_group), parts=parts, settings={} if self.groups is None else self.settings)


def output_index(outputs: Sequence[int], n_outputs: int) -> np.ndarray:
    """Outputs as an index array; a ValueError if one is not in [0, n_outputs)."""
    index = np.array(outputs, int)
    if index.min() < 0 or index.max() >= n_outputs:
        raise ValueError(f"outputs {tuple(outputs)} are asked for and the activities have {n_outputs}; count from 0.")
    return index


def paired_outputs(a: Activity, b: Activity) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of both activities in float64, checked to be there, equally many and of the same samples."""
    check_same_samples(a, b)
    if a.outputs is None or b.outputs is None:
        raise ValueError(f"the {'first' if a.outputs is None else 'second'} activity has no outputs to compare.")
    n_outputs = a.outputs.shape[2], b.outputs.shape[2]
    if n_outputs[0] != n_outputs[1]:
        raise ValueError(f"the activities have {n_outputs[0]} and {n_outputs[1]} outputs; give equally many.")
    return np.asarray(a.outputs, np.float64), np.asarray(b.outputs, np.float64)


def normalized_error(
    outputs, targets, mask, conditions: Sequence[str], *, level: Level, settings: dict[str, object] | None = None
) -> Score:
    """`output_nmse` over the samples where `mask` is not zero; infinite if an output is not finite.

    Raises:
        ValueError: if the target is zero wherever the mask is not.
    """
    counted = np.asarray(mask, np.float64)[:, :, None]
    targets = np.asarray(targets, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.where(counted > 0, counted * (np.asarray(outputs, np.float64) - targets) ** 2, 0.0).sum(1)
    error = np.where(np.isfinite(error), error, np.inf)
    power = (counted * targets**2).sum(1)
    if not power.sum() > 0:
        raise ValueError("the target outputs are zero everywhere, so no error can be normalized by them.")
    groups = condition_groups(conditions)
    grouped = [np.stack([part[group].sum(0) for group in groups.values()]).sum(1) for part in (error, power)]
    per_output = _ratio(error.sum(0), power.sum(0))
    parts = {"per_condition": _ratio(*grouped), "condition": np.array(list(groups)), "per_output": per_output}
    value = float(error.sum() / power.sum())
    return Score("output_nmse", value, level, "lower", parts=parts, settings=settings or {})


def _ratio(error: np.ndarray, power: np.ndarray) -> np.ndarray:
    return error / np.where(power > 0, power, np.nan)
