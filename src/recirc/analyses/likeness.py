"""How alike two activities are by every similarity there is, each against what would be found by chance."""

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from zlib import crc32

import jax
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from recirc.analyses.result import AnalysisResult
from recirc.analyses.table import Claim, Row
from recirc.arguments import check_key
from recirc.compare import (
    AbstractSimilarity,
    NullDistribution,
    RotatedConditions,
    half_p,
    labels,
    noise_ceiling,
    null_distribution,
    similarities,
)
from recirc.compare.condition_structure import ConditionStructure, condition_structure
from recirc.compare.normalization import average_repeats
from recirc.compare.resampling import over_units
from recirc.compare.samples import check_same_samples
from recirc.compare.statistics import holm
from recirc.data import check_activity, condition_angles
from recirc.ranges import check_within
from recirc.types import Activity

# Streams of random numbers of the first similarities there were; later ones draw theirs from their name.
_STREAMS = ("svcca5_concatenated", "svcca5_per_condition", "linear_cka", "procrustes_angle", "cca_mean4", "dsa")
ALPHA = 0.05
N_RESAMPLES = 50
N_HALF_DRAWS = 39  # their p is asked for no more than whether it is under .05


def likeness(
    a: Activity,
    b: Activity,
    *,
    key: PRNGKeyArray,
    n_draws: int = 250,
    single_trials: Activity | None = None,
    exchangeable: bool = False,
    arm: str = "b",
) -> AnalysisResult:
    """Score two activities on every similarity of rates that `recirc.compare` exports, each against its nulls.

    Args:
        a: surrogates are made of it. With several trials of a condition, averages are compared.
        b: the same conditions and times; conditions may come in another order, and angles turned by 360.
        key: of surrogates and of resampled units.
        n_draws: surrogates per similarity and null; with a family of ten, at least 200 can tell.
        single_trials: those that `a` averages, for a noise ceiling; its own trials if it has repeats.
        exchangeable: whether any order of the conditions is as good as another; where they have names alone nothing
            else can say so, and claims are undecided without.
        arm: what `b` is called in the rows.

    Returns:
        A row per similarity and null: its interval is over units drawn again, with replacement, on both sides; its
        ceiling what a model without noise would reach, or another recording of `a` as long if `b` is averaged over
        trials, where single trials of `a` tell. A similarity that cannot be
        had is a row without a value that says why. A claim per similarity: nearer than unrelated populations by its
        first null, by Holm's steps over all; undecided where p is not small, and where the null is not certified for
        these conditions.

    Raises:
        TypeError: if an activity is none, or the key is no random key.
        ValueError: if conditions or times differ, nothing is cut to fit; or an activity cannot be used.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.uniform(jax.random.key(0), (6, 50, 12))
        >>> a = recirc.Activity(rates, dt=0.01, conditions="abcdef")
        >>> result = recirc.analyses.likeness(a, a, key=jax.random.key(1), n_draws=9)
        >>> values = result.table.set_index("metric")["value"]
        >>> round(float(values["linear_cka"]), 6)
        1.0
    """
    check_key(key)
    check_within("[1, inf]", n_draws=n_draws)
    sides = dict(zip(("the first activity", "the second activity"), (a, b)))
    for where, side in sides.items():
        check_activity(side, where, signed=True, keep=True)
    if single_trials is not None:
        check_activity(single_trials, "single_trials", signed=True, keep=True)
    elif len(set(a.conditions)) < a.n_trials:
        single_trials = a
    is_noisy = b.n_trials > len(set(b.conditions)) or bool(b.trial_counts)  # another recording, not a model
    a, b = (check_activity(average_repeats(side), where, signed=True) for where, side in sides.items())
    b = in_order_of(a, b)
    check_same_samples(a, b)
    rows, judged = [], []
    for measure in (*similarities(), *similarities("unit")):
        own = jax.random.fold_in(key, _stream(measure.metric))
        nulls = [
            dataclasses.replace(null, exchangeable=exchangeable) if isinstance(null, RotatedConditions) else null
            for null in measure.nulls
        ]
        try:
            found = [
                null_distribution(measure, a, b, null, n_draws=n_draws, key=jax.random.fold_in(own, j))
                for j, null in enumerate(nulls)
            ]
        except ValueError as error:
            where = {"set": "all", "outcome": str(error)}
            rows.append(Row(measure.metric, measure.level, arm, math.nan, condition=where, direction=measure.direction))
            continue
        interval = (math.nan, math.nan)
        with contextlib.suppress(ValueError):  # too few units to draw some of them
            drawn = over_units(measure, a, b, n_draws=N_RESAMPLES, key=jax.random.fold_in(own, 10**6))
            interval = drawn[measure.metric]
        if found[0].is_certified:
            with contextlib.suppress(ValueError):
                few, stream = min(n_draws, N_HALF_DRAWS), jax.random.fold_in(own, 10**6 + 2)
                half = half_p(measure, a, nulls[0], n_draws=few, key=stream)
                found[0] = dataclasses.replace(found[0], half_p=half)
        judged.append(found[0])
        about = {"ci": interval, "ceiling": _ceiling(measure, single_trials, is_noisy, own)}
        rows += [
            Row.of(chance.score, arm, {"set": "all", "null": chance.kind}, n=a.n_trials, null=chance, **about)
            for chance in found
        ]
    structure = condition_structure(a, exchangeable=exchangeable)
    claims = _claims(judged, n=a.n_trials)
    return AnalysisResult(
        "compare", tuple(rows), claims, _dataset(a, b), sentences={"verdict": _sentence(a, judged, claims, structure)},
        figures=("against_chance", "principal_components"),
    )  # fmt: skip


def in_order_of(a: Activity, b: Activity) -> Activity:
    """`b` with its conditions in the order of `a`, where both have the same ones, once each.

    Raises:
        ValueError: if the time axes start apart.
    """
    if abs(a.time[0] - b.time[0]) > 0.5 * min(a.dt, b.dt):
        raise ValueError(
            f"the time axes start at {a.time[0]:g} s and {b.time[0]:g} s; cut or shift one so that equal times mean "
            "equal moments of the trial."
        )
    b = named_as(a, b)
    if sorted(a.conditions) != sorted(b.conditions) or len(set(a.conditions)) < len(a.conditions):
        return b
    return b.select([b.conditions.index(name) for name in a.conditions])


def named_as(a: Activity, b: Activity) -> Activity:
    """`b`, with the condition labels of `a` for angles that are the same but for whole turns, as -90 and 270 are."""
    ours, theirs = (condition_angles(side.conditions) for side in (a, b))
    if set(a.conditions) <= set(b.conditions) or ours is None or theirs is None:
        return b
    names = dict(zip(np.round(ours % 360, 6), a.conditions))
    return b.replace(conditions=[names.get(x, own) for x, own in zip(np.round(theirs % 360, 6), b.conditions)])


def _stream(metric: str) -> int:
    return _STREAMS.index(metric) if metric in _STREAMS else len(_STREAMS) + crc32(metric.encode()) // 2


def _ceiling(measure: AbstractSimilarity, trials: Activity | None, is_noisy: bool, key) -> float | None:
    """What a model without noise, or another recording of `trials`, would score; None if a condition has one trial.

    None, too, of what estimates whole populations: a simulated recording has the units of the first.
    """
    if trials is None or min(map(trials.conditions.count, set(trials.conditions))) < 2 or measure.estimates_populations:
        return None
    value = noise_ceiling(measure, trials, is_noisy=is_noisy, key=jax.random.fold_in(key, 10**6 + 1)).value
    return value if math.isfinite(value) else None


def _claims(found: Sequence[NullDistribution], n: int) -> tuple[Claim, ...]:
    """Whether the two are nearer than each null allows, one family; undecided, without a p, if it is not certified."""
    adjusted = iter(holm([each.p for each in found if each.is_certified]))
    claims = []
    for each in found:
        text = f"{each.score.metric}: the two are more alike than populations that have nothing to do with each other."
        effect = (each.score.value - each.mean) * (1 if each.score.direction == "higher" else -1)
        p = float(next(adjusted)) if each.is_certified else math.nan
        supported = True if p < ALPHA else None
        claims.append(Claim(text, "this comparison", supported, effect, p=p, n=n))
    return tuple(claims)


def _sentence(
    a: Activity, found: Sequence[NullDistribution], claims: Sequence[Claim], structure: ConditionStructure
) -> str:
    """What the p-values come to, a group of measures for every way in which one may or may not say something."""
    names, both = labels(), list(zip(found, claims))
    certified = [(each, claim) for each, claim in both if each.is_certified and not claim.supported]
    kinds = {
        "not certified": [each for each, _ in both if not each.is_certified],
        "alike": [each for each, claim in both if claim.supported],
        "blind": [each for each, _ in certified if not each.half_p < ALPHA],
        "apart": [each for each, _ in certified if each.half_p < ALPHA],
    }
    listed = {kind: "; ".join(names[each.score.metric] for each in group) for kind, group in kinds.items()}
    said = [f"More alike than unrelated populations by {listed['alike'] or 'no certified similarity'}."]
    n_together = sum(each.is_certified for each in found)

    def few(group: Sequence[NullDistribution]) -> str:
        least = n_together * min(1 / (1 + len(each.draws)) for each in group)  # of Holm's steps, the first
        together = f" for one of {n_together} similarities" if n_together > 1 else ""
        return f" No p below {ALPHA:g} exists there{together}." if least >= ALPHA else ""

    if kinds["apart"]:
        said.append(f"Not shown to be by {listed['apart']}, by which halves of the first are.{few(kinds['apart'])}")
    if kinds["blind"]:
        why = "not even halves of the first population are more alike than by chance"
        if all(math.isnan(each.half_p) for each in kinds["blind"]):
            why = "the first population has too few units for halves that would show whether it can"
        said.append(f"By {listed['blind']} this null cannot tell here: {why}.{few(kinds['blind'])}")
    if kinds["not certified"]:
        said.append(f"Not certified, so no verdict: {listed['not certified']}.")
    return " ".join([*said, f"Conditions: {structure.sentence}"])


def _dataset(a: Activity, b: Activity) -> xr.Dataset:
    variables, coordinates = {}, {}
    for name, side in (("a", a), ("b", b)):
        variables[name] = (("condition", "time", f"{name}_unit"), np.asarray(side.rates, np.float32), {"units": "1"})
        coordinates[f"{name}_unit"] = (f"{name}_unit", np.array(side.units, object))
    time = {"time": ("time", a.time, {"units": "s"})}
    return xr.Dataset(variables, {"condition": ("condition", np.array(a.conditions, object)), **time, **coordinates})
