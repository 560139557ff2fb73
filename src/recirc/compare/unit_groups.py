"""Groups of units by name."""

from collections.abc import Mapping, Sequence

import numpy as np

from recirc.types import Activity


def unit_groups(activity: Activity, groups: Mapping[str, Sequence[str]], *, what: str) -> dict[str, np.ndarray]:
    """Where the units of every group stand in an activity; ValueError if one is unknown or in two groups.

    Args:
        activity: whose units they are.
        groups: name -> names of its units.
        what: a group is called in messages.
    """
    places, owner = {name: i for i, name in enumerate(activity.units)}, {}
    for group, units in groups.items():
        for unit in units:
            if unit not in places:
                raise ValueError(f"{what} {group!r} names unit {unit!r}, which the activity does not have; mend it.")
            if unit in owner:
                raise ValueError(f"unit {unit!r} is in {owner[unit]!r} and in {group!r}; give it one {what}.")
            owner[unit] = group
    return {group: np.array([places[unit] for unit in units], int) for group, units in groups.items()}
