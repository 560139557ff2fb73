"""What is known of conditions: angles, numbers and categories; how they enter networks, and how far apart they are."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from recirc.types import Activity

Kind = Literal["angle", "number", "category"]
LABEL, DIRECTION = "condition", "direction"  # what the label is called where it is the covariate


class Covariate(NamedTuple):
    """One thing that is known of every condition.

    Args:
        name: of the column that it comes from.
        kind: an "angle" in degrees, a "number" or a "category".
        values: one per condition.
        scale: center and spread by which numbers are z-scored; they stay as they are when conditions are selected.
        levels: of a category.

    Example:
        >>> import numpy as np
        >>> Covariate("direction", "angle", np.deg2rad([0.0, 90.0])).kind
        'angle'
    """

    name: str
    kind: Kind
    values: np.ndarray
    scale: tuple[float, float] = (0.0, 1.0)
    levels: tuple[str, ...] = ()

    @property
    def encoded(self) -> Float[np.ndarray, "condition channel"]:
        """Cosine and sine of an angle, the z-score of a number, a channel per level of a category."""
        if self.kind == "angle":
            angles = np.deg2rad(self.values.astype(float))
            return np.stack([np.cos(angles), np.sin(angles)], axis=1)
        if self.kind == "number":
            return ((self.values.astype(float) - self.scale[0]) / self.scale[1])[:, None]
        return (self.values[:, None] == np.array(self.levels)).astype(float)


class Covariates(NamedTuple):
    r"""What is known of conditions, column by column.

    The squared distance of two conditions is, column by column, $4\sin^2(\Delta/2)$ of an angle, $\Delta^2$ of z-scored
    numbers, and 1 between different categories.

    Example:
        >>> import recirc
        >>> activity = recirc.Activity(np.ones((3, 9, 1)), dt=0.01, conditions=["0", "90", "180"])
        >>> known = covariates_of(activity)
        >>> known.columns[0].kind, known.encoded.round(6).tolist()
        ('angle', [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        >>> known.squares(known.select([0]))[0].round(6).tolist()
        [[0.0], [2.0], [4.0]]
    """

    columns: tuple[Covariate, ...]

    @property
    def n_conditions(self) -> int:
        return len(self.columns[0].values)

    @property
    def encoded(self) -> Float[np.ndarray, "condition channel"]:
        """All columns as coordinates, side by side."""
        return np.concatenate([column.encoded for column in self.columns], axis=1)

    @property
    def can_interpolate(self) -> bool:
        """Whether some column is more than a name."""
        return any(column.kind != "category" for column in self.columns)

    def select(self, index) -> "Covariates":
        """The conditions at `index`."""
        return Covariates(
            tuple(column._replace(values=column.values[np.asarray(index, int)]) for column in self.columns)
        )

    def joined(self, other: "Covariates") -> "Covariates":
        """These conditions and then those of `other`, which has the same columns."""
        pairs = zip(self.columns, other.columns)
        return Covariates(tuple(a._replace(values=np.concatenate([a.values, b.values])) for a, b in pairs))

    def squares(self, other: "Covariates") -> Float[np.ndarray, "column condition other"]:
        """Squared distances, column by column."""
        factors = [0.5 if column.kind == "category" else 1.0 for column in self.columns]  # two channels differ
        pairs = ((a.encoded[:, None] - b.encoded[None]) ** 2 for a, b in zip(self.columns, other.columns))
        return np.stack([factor * pair.sum(axis=2) for factor, pair in zip(factors, pairs)])


def covariates_of(activity: Activity, names: Sequence[str] | None = None) -> Covariates:
    """What labels and covariates tell of conditions; of trials, one entry per trial.

    A column of numbers is an angle if its name says so and its values make a circle (`no_circle`), in degrees or, where
    they look like it, in radians. Words and truth values are categories.

    Args:
        activity: any activity.
        names: of its covariates; "condition" is the label. If omitted, labels that are directions; else all covariates
            of one value that differ between conditions; else labels that are numbers and do not only count; else labels
            as names.

    Raises:
        ValueError: if a covariate does not exist, is constant, has values that are not finite, or differs between
            trials of one condition.

    Example:
        >>> a = recirc.Activity([[[1.0], [2.0]]] * 3, dt=0.01, conditions=[0, 90, 180])
        >>> [each.kind for each in covariates_of(a).columns]
        ['angle']
    """
    from recirc.data.directions import condition_angles  # loads readers of files

    labels = np.array(activity.conditions)
    if names is None:
        different = list(dict.fromkeys(activity.conditions))
        angles = condition_angles(different)
        if angles is not None:
            values = np.array([dict(zip(different, angles))[label] for label in activity.conditions]) % 360
            return Covariates((Covariate(DIRECTION, "angle", values),))
        single = {name: values for name, values in activity.covariates.items() if np.ndim(values) == 1}
        columns = {name: values for name, values in single.items() if len(set(map(str, values))) > 1}
        columns = columns or {LABEL: labels}
    else:
        known = {LABEL: labels, **activity.covariates}
        if missing := [name for name in names if name not in known]:
            have = ", ".join(known)
            raise ValueError(f"there is no covariate {missing[0]!r}; there are {have}. Name some of these.")
        columns = {name: known[name] for name in names}
    return Covariates(tuple(_covariate(name, np.asarray(values), labels) for name, values in columns.items()))


def _covariate(name: str, values: np.ndarray, labels: np.ndarray) -> Covariate:
    from recirc.data.conditions import in_radians
    from recirc.data.directions import no_circle
    from recirc.data.names import is_angular

    if values.ndim != 1:
        raise ValueError(f"covariate {name} has {values.shape[1:]} values per condition; give one.")
    values = _as_numbers(values) if name == LABEL else values
    if values.dtype.kind not in "iuf":
        values = values.astype(str)
        column = Covariate(name, "category", values, levels=tuple(np.unique(values).tolist()))
    else:
        values = values.astype(float)
        if not np.isfinite(values).all():
            bad = labels[~np.isfinite(values)].tolist()
            raise ValueError(f"covariate {name} is not finite in {len(bad)} conditions, the first {bad[0]!r}; "
                             "give it a value there, leave them out, or name other covariates.")  # fmt: skip
        angles = np.rad2deg(values) if is_angular(name) and in_radians(values) else values
        if is_angular(name) and not no_circle(np.unique(angles)):
            column = Covariate(name, "angle", angles % 360)
        else:
            column = Covariate(name, "number", values, scale=(float(values.mean()), float(values.std()) or 1.0))
    if len(labels) > 1 and len(np.unique(values)) < 2:
        raise ValueError(
            f"covariate {name} is {values[0]} in every condition and tells none apart; name one that does."
        )
    for label in np.unique(labels):
        if len(found := np.unique(values[labels == label])) > 1:
            differ = f"covariate {name} is {found[0]} and {found[1]} in trials of the one condition {str(label)!r}"
            raise ValueError(f"{differ}; make conditions of it too.")
    return column


def _as_numbers(labels: np.ndarray) -> np.ndarray:
    """Labels as numbers, if they are numbers that do not just count."""
    from recirc.data.directions import is_counting

    try:
        values = labels.astype(float)
    except ValueError:
        return labels
    return values if np.isfinite(values).all() and not is_counting(np.unique(values)) else labels
