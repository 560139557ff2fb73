"""How far from the target a reach ends."""

from typing import ClassVar

import equinox as eqx
import numpy as np

from recirc.compare.base import UNITS, AbstractNull, AbstractSimilarity
from recirc.compare.output_error import output_index, paired_outputs
from recirc.compare.samples import condition_groups
from recirc.types import Activity, Direction, Level, Score


class ReachError(AbstractSimilarity):
    r"""Distance between the places where two activities' outputs end.

    $$d = \langle \| \bar z_k - \bar f_k \| \rangle_k$$

    The bar is the mean over the last seconds of trial k, z are the outputs of the first activity and f those
    of the second. It tells a reach that arrives late or by another way from one that does not arrive, and it
    needs no variance, so that one trial is enough. For another moment, cut both with `window`.

    Args:
        outputs: indices of the coordinates of the hand; (2, 3) are the position in `DelayedReach`.
        duration: seconds at the end of every trial; rounded to whole steps.

    Returns (when called): metric `endpoint_error`, in units of the outputs; parts `per_condition` (in the
    order of `condition`) and `per_trial`. It is infinite where an output is not finite.

    Raises:
        ValueError: if `outputs` is empty; when called, if an activity has no outputs or not these, or `duration` is
            under a step or longer than the trials.

    Example:
        >>> import numpy as np, recirc
        >>> asked = np.ones((2, 20, 1)) * np.array([3.0, 4.0])[None, None, :]
        >>> a, b = (
        ...     recirc.Activity(np.zeros((2, 20, 1)), dt=0.01, conditions="ab", outputs=outputs)
        ...     for outputs in (0 * asked, asked)
        ... )
        >>> recirc.compare.ReachError(outputs=(0, 1))(a, b).value
        5.0
    """

    metric: ClassVar[str] = "endpoint_error"
    label: ClassVar[str] = "end-point error"
    level: ClassVar[Level] = "performance"
    direction: ClassVar[Direction] = "lower"
    blind_to: ClassVar[frozenset[str]] = UNITS
    nulls: ClassVar[tuple[AbstractNull, ...]] = ()
    is_symmetric: ClassVar[bool] = True

    outputs: tuple[int, ...] = eqx.field(static=True, default=(2, 3))
    duration: float = eqx.field(static=True, default=0.1)

    def __check_init__(self):
        if not self.outputs:
            raise ValueError("outputs is empty; name the coordinates of the hand, such as (2, 3).")

    def __call__(self, a: Activity, b: Activity) -> Score:
        made, asked = paired_outputs(a, b)
        index = output_index(self.outputs, made.shape[2])
        n_steps = round(self.duration / a.dt) if np.isfinite(self.duration) else 0
        if not 1 <= n_steps <= made.shape[1]:
            raise ValueError(
                f"duration is {self.duration} s, and the trials have {made.shape[1]} steps of {a.dt} s; give "
                "at least one step and no more than a trial."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            apart = (made - asked)[:, -n_steps:, index].mean(axis=1)
            error = np.linalg.norm(apart, axis=1)
        error = np.where(np.isfinite(error), error, np.inf)
        groups = condition_groups(a.conditions)
        per_condition = np.array([error[group].mean() for group in groups.values()])
        parts = {"per_condition": per_condition, "condition": np.array(list(groups)), "per_trial": error}
        settings = {"outputs": self.outputs, "duration_s": self.duration}
        return self.score(error.mean(), parts=parts, settings=settings)
