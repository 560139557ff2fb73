"""Which conditions are left out together, and what smooth tuning makes of conditions that nobody recorded."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from recirc.analyses.fit_config import FitConfig
from recirc.analyses.fit_trials import FOLD, NAME, event_times, output_scale, reliable_units, time_courses
from recirc.analyses.pieces import Result
from recirc.compare.covariates import Covariates, covariates_of
from recirc.compare.interpolation import Process
from recirc.compare.joint_gp import JointGP
from recirc.compare.left_out import left_out_scales
from recirc.types import Activity

ONE_BY_ONE, N_GROUPS = 12, 8  # so many conditions are left out one at a time, more in so many groups
UNRELIABLE = 10.0  # times the scale of units that are mostly noise
N_TESTS = 8  # groups of conditions by which a process is chosen, at most


class Completion(NamedTuple):
    """Smooth tuning, chosen without some conditions.

    Args:
        process: of the rates.
        outputs: of the behavior.
    """

    process: Process
    outputs: JointGP

    @classmethod
    def of(cls, numbers: Sequence) -> "Completion":
        """From lists, as JSON keeps it."""
        (apart, coupled), outputs = numbers
        apart, coupled, outputs = (JointGP(tuple(each[0]), *each[1:]) for each in (apart, coupled, outputs))
        return cls(Process(apart, coupled), outputs)


@dataclasses.dataclass(frozen=True)
class Tuning:
    """A piece of work: smooth tuning that is chosen without some conditions."""

    left_out: tuple[int, ...]
    what: ClassVar[str] = "choices of smooth tuning"


class Completed(NamedTuple):
    """Conditions to train on, recorded and virtual, and after them those that are left out.

    Args:
        activity: of all of them; what virtual conditions hold is the process'.
        known: their covariates.
        events: times of events that are inputs, s.
        courses: inputs in the place of steady covariates, as `time_courses` finds them.
        n_trained: how many are to train on.
    """

    activity: Activity
    known: Covariates
    events: Float[np.ndarray, "condition event"]
    courses: Float[np.ndarray, "condition time input"] | None
    n_trained: int


def known_of(activity: Activity, config: FitConfig) -> Covariates:
    """Covariates of a recording made ready."""
    by_name = (NAME,) if FOLD in activity.covariates else None
    return covariates_of(activity, config.covariates or by_name)


def left_out_groups(activity: Activity, config: FitConfig, *, seed: int) -> tuple[tuple[int, ...], ...]:
    """Places of the conditions that are left out together; repeats of one condition always are.

    Raises:
        ValueError: if there are too few groups, or one takes all conditions of a category with it.
    """
    known, n, asked = known_of(activity, config), activity.n_trials, config.leave_out
    by = FOLD if config.leave_out_by is None and FOLD in activity.covariates else config.leave_out_by
    if by is not None:
        values = _column(activity, by)
        groups = [np.flatnonzero(values == value) for value in dict.fromkeys(values.tolist())]
    else:
        n_groups = asked or (n if n <= ONE_BY_ONE else N_GROUPS)
        order = np.arange(n) if n_groups >= n else np.random.default_rng(seed).permutation(n)
        groups = [np.sort(order[i::n_groups]) for i in range(min(n_groups, n))]
    if len(groups) < 4:
        mend = "name a covariate with four values or more, or give a number of groups (--set leave_out=4)"
        found = f"{len(groups)} groups of conditions to leave out, by {by or asked}, and a fit needs 4"
        raise ValueError(f"{found}; {mend}.")
    for column in known.columns:
        for group in groups if column.kind == "category" and known.can_interpolate else ():
            if lost := set(column.values[group]) - set(np.delete(column.values, group)):
                found = f"without {activity.conditions[group[0]]} no condition has {column.name} {min(lost)}"
                mend = "change leave_out, or do not name this one in covariates"
                raise ValueError(f"{found}, so that nothing can be said of it; {mend}.")
    return tuple(tuple(group.tolist()) for group in groups)


def _column(activity: Activity, name: str) -> np.ndarray:
    if name not in activity.covariates:
        have = ", ".join(activity.covariates) or "none"
        raise ValueError(f"leave_out_by names {name!r}, and there is no such covariate; there are {have}.")
    return np.asarray(activity.covariates[name])


def virtual_conditions(known: Covariates, left_out: Sequence[int]) -> Int[np.ndarray, "virtual parent"]:
    """Pairs of neighboring conditions between which, in the middle, a virtual condition lies.

    Neighbors are those of the Gabriel graph, of one category: no other condition lies in the ball between them. A
    virtual condition closer to a left-out one than half of the way to its nearest seen one is not made: there the
    network would copy the process at the very place where it is judged.
    """
    n, places = known.n_conditions, known.encoded
    pairs = np.array([(i, j) for i in range(n) for j in range(i + 1, n)], int).reshape(-1, 2)
    same = known.squares(known)[[column.kind == "category" for column in known.columns]].sum(axis=0) == 0
    squares = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    middles = places[pairs].mean(axis=1)
    inside = ((middles[:, None] - places[None]) ** 2).sum(axis=2) <= squares[tuple(pairs.T)][:, None] / 4 * (1 + 1e-9)
    far = ~np.isin(np.arange(n), left_out)
    is_neighbor = (inside.sum(axis=1) == 2) & same[tuple(pairs.T)] & (squares[tuple(pairs.T)] > 1e-12)
    between = middle(known, pairs).encoded
    for place in left_out:
        nearest = np.where(far & same[place] & (squares[place] > 1e-12), squares[place], np.inf).min()
        is_neighbor &= ((between - places[place]) ** 2).sum(axis=1) >= nearest / 4 * (1 - 1e-9)
    return pairs[is_neighbor]


def middle(known: Covariates, pairs: Int[np.ndarray, "virtual parent"]) -> Covariates:
    """The conditions halfway between pairs of others of one category."""
    columns = []
    for column in known.columns:
        a, b = column.values[pairs.T]
        if column.kind == "angle":
            a = (a + ((b - a + 180) % 360 - 180) / 2) % 360
        elif column.kind == "number":
            a = (a + b) / 2
        columns.append(column._replace(values=a))
    return Covariates(tuple(columns))


def process_scales(activity: Activity, left_out: Sequence[int], config: FitConfig) -> Float[np.ndarray, " unit"]:
    """What units are divided by for the process: those that are mostly noise, as the others tell, count little."""
    scale = left_out_scales(np.asarray(activity.rates), config.soft_normalization, groups=[left_out])[0]
    return scale * np.where(reliable_units(activity, left_out, config), 1.0, UNRELIABLE)


def choose_completion(activity: Activity, config: FitConfig, piece: Tuning) -> Result:
    """The process for conditions that are left out, chosen among the others alone."""
    left_out = piece.left_out
    rest = np.delete(np.arange(activity.n_trials), left_out)
    seen, n_tests = known_of(activity, config).select(rest), min(len(rest), N_TESTS)
    tests = [list(range(i, len(rest), n_tests)) for i in range(n_tests)]
    rates = np.asarray(activity.rates, np.float64)[rest] / process_scales(activity, left_out, config)
    outputs = np.asarray(activity.outputs, np.float64)[rest] / output_scale(activity, rest)
    process = Process.choose(seen, rates, dt=activity.dt, tests=tests)
    behavior = JointGP.choose(seen, outputs, dt=activity.dt, tests=tests)
    return Result({}, {"completion": Completion(process, behavior)})


def completed(
    activity: Activity, config: FitConfig, left_out: Sequence[int], completion: Completion | None, how: str
) -> Completed:
    """Conditions to train on, and after them those that are left out.

    Args:
        activity: a recording made ready.
        config: of the fit.
        left_out: places of the conditions that have no part in the training.
        completion: chosen without them; None for recorded conditions alone.
        how: a member of `COMPLETIONS`: "raw" adds virtual conditions, "smoothed" also takes the process' word for half
            of what was recorded, "none" adds nothing.
    """
    known, rest = known_of(activity, config), np.delete(np.arange(activity.n_trials), list(left_out))
    seen, new = known.select(rest), known.select(left_out)
    rates, outputs = (np.asarray(each, np.float64) for each in (activity.rates, activity.outputs))
    seen_rates, seen_outputs = rates[rest], outputs[rest]
    pairs, made, behavior = np.empty((0, 2), int), seen_rates[:0], seen_outputs[:0]
    if completion is not None and how != "none":
        pairs, scale = virtual_conditions(known, left_out), process_scales(activity, left_out, config)
        at = functools.partial(completion.process.predict, seen, seen_rates / scale, dt=activity.dt)
        made = scale * at(middle(known, pairs))
        behavior = completion.outputs.predict(seen, seen_outputs, middle(known, pairs), dt=activity.dt)
        if how == "smoothed":
            seen_rates = (seen_rates + scale * at(seen)) / 2
    whole = Activity(
        np.concatenate([seen_rates, made, rates[list(left_out)]]), dt=activity.dt, start=activity.start,
        units=activity.units, conditions=range(len(rest) + len(pairs) + len(left_out)),
        outputs=np.concatenate([seen_outputs, behavior, outputs[list(left_out)]]),
    )  # fmt: skip
    order = seen.joined(middle(known, pairs)).joined(new)
    with_middles = lambda of: np.concatenate([of[rest], of[pairs].mean(axis=1), of[list(left_out)]])  # noqa: E731
    courses = time_courses(activity, config)
    courses = None if courses is None else with_middles(courses)
    return Completed(whole, order, with_middles(event_times(activity, config)), courses, len(rest) + len(pairs))
