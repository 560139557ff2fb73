"""How alike two activities are by every similarity there is, each against what would be found by chance."""

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
from recirc.compare import (
    AbstractSimilarity,
    NullDistribution,
    half_p,
    labels,
    noise_ceiling,
    null_distribution,
    similarities,
)
from recirc.compare.condition_structure import condition_structure
from recirc.compare.normalization import average_repeats
from recirc.compare.resampling import over_units
from recirc.compare.samples import check_same_samples
from recirc.data import check_activity
from recirc.types import Activity

# Streams of random numbers of the first similarities there were; later ones draw theirs from their name.
_STREAMS = ("svcca5_concatenated", "svcca5_per_condition", "linear_cka", "procrustes_angle", "cca_mean4", "dsa")
ALPHA = 0.05
N_RESAMPLES = 50


def likeness(
    a: Activity,
    b: Activity,
    *,
    key: PRNGKeyArray,
    n_draws: int = 100,
    single_trials: Activity | None = None,
    arm: str = "b",
) -> AnalysisResult:
    """Score two activities on every similarity of rates that `recirc.compare` exports, each against its nulls.

    Args:
        a: surrogates are made of it. With several trials of a condition, averages are compared.
        b: the same conditions and times; conditions may come in another order.
        key: of surrogates and of resampled units.
        n_draws: surrogates per similarity and null.
        single_trials: those that `a` averages, for a noise ceiling; its own trials if it has repeats.
        arm: what `b` is called in the rows.

    Returns:
        A row per similarity and null: its interval is over units drawn again, with replacement, on both sides; its
        ceiling what a model without noise would reach, or another recording of `a` as long if `b` is averaged over
        trials, where single trials of `a` tell. A similarity that cannot be
        had is a row without a value that says why. A claim per similarity: nearer than unrelated populations by its
        first null; undecided where that is not certified for these conditions, or cannot tell even halves of `a`.

    Raises:
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
    if single_trials is None and len(set(a.conditions)) < a.n_trials:
        single_trials = a
    is_noisy = b.n_trials > len(set(b.conditions)) or bool(b.trial_counts)  # another recording, not a model
    sides = zip(("first", "second"), map(average_repeats, (a, b)))
    a, b = (check_activity(side, f"the {name} activity", signed=True) for name, side in sides)
    b = in_order_of(a, b)
    check_same_samples(a, b)
    rows, claims, judged = [], [], []
    for measure in (*similarities(), *similarities("unit")):
        own = jax.random.fold_in(key, _stream(measure.metric))
        try:
            found = [
                null_distribution(measure, a, b, null, n_draws=n_draws, key=jax.random.fold_in(own, j))
                for j, null in enumerate(measure.nulls)
            ]
            if found[0].is_certified and len(a.units) > 1:
                half = half_p(measure, a, measure.nulls[0], n_draws=n_draws, key=jax.random.fold_in(own, 10**6 + 2))
                found[0] = dataclasses.replace(found[0], half_p=half)
        except ValueError as error:
            where = {"set": "all", "outcome": str(error)}
            rows.append(Row(measure.metric, measure.level, arm, math.nan, condition=where, direction=measure.direction))
            continue
        judged.append(found[0])
        interval = over_units(measure, a, b, n_draws=N_RESAMPLES, key=jax.random.fold_in(own, 10**6))[measure.metric]
        about = {"ci": interval, "ceiling": _ceiling(measure, single_trials, is_noisy, own)}
        rows += [
            Row.of(chance.score, arm, {"set": "all", "null": chance.kind}, n=a.n_trials, null=chance, **about)
            for chance in found
        ]
        claims.append(_claim(found[0], n=a.n_trials))
    return AnalysisResult(
        "compare", tuple(rows), tuple(claims), _dataset(a, b), sentences={"verdict": _sentence(a, judged)},
        figures=("principal_components",),
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
    if sorted(a.conditions) != sorted(b.conditions) or len(set(a.conditions)) < len(a.conditions):
        return b
    return b.select([b.conditions.index(name) for name in a.conditions])


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


def _claim(found: NullDistribution, n: int) -> Claim:
    """Whether the two are nearer than the null allows; undecided if it is not certified, or cannot tell."""
    text = f"{found.score.metric}: the two are more alike than populations that have nothing to do with each other."
    effect = (found.score.value - found.mean) * (1 if found.score.direction == "higher" else -1)
    supported = True if found.p < ALPHA else False if found.half_p < ALPHA else None
    return Claim(text, "this comparison", supported if found.is_certified else None, effect, p=found.p, n=n)


def _sentence(a: Activity, found: Sequence[NullDistribution]) -> str:
    """What the p-values come to, a group of measures for every way in which one may or may not say something."""
    names = labels()
    kinds = {
        "not certified": [each for each in found if not each.is_certified],
        "alike": [each for each in found if each.is_certified and each.p < ALPHA],
        "blind": [each for each in found if each.is_certified and each.p >= ALPHA and not each.half_p < ALPHA],
        "apart": [each for each in found if each.is_certified and each.half_p < ALPHA <= each.p],
    }
    listed = {kind: "; ".join(names[each.score.metric] for each in group) for kind, group in kinds.items()}
    said = [f"More alike than unrelated populations by {listed['alike'] or 'no certified similarity'}."]
    if kinds["apart"]:
        said.append(f"Not more alike by {listed['apart']}, by which halves of the first are.")
    if kinds["blind"]:
        least = min(1 / (1 + len(each.draws)) for each in kinds["blind"])
        few = f" No p below {ALPHA:g} exists there." if least >= ALPHA else ""
        why = "not even halves of the first population are more alike than by chance"
        if len(a.units) < 2:
            why = "the first population has one unit, and so no halves that would show whether it can"
        said.append(f"By {listed['blind']} this null cannot tell here: {why}.{few}")
    if kinds["not certified"]:
        said.append(f"Not certified, so no verdict: {listed['not certified']}.")
    return " ".join([*said, f"Conditions: {condition_structure(a).sentence}"])


def _dataset(a: Activity, b: Activity) -> xr.Dataset:
    variables, coordinates = {}, {}
    for name, side in (("a", a), ("b", b)):
        variables[name] = (("condition", "time", f"{name}_unit"), np.asarray(side.rates, np.float32), {"units": "1"})
        coordinates[f"{name}_unit"] = (f"{name}_unit", np.array(side.units, object))
    time = {"time": ("time", a.time, {"units": "s"})}
    return xr.Dataset(variables, {"condition": ("condition", np.array(a.conditions, object)), **time, **coordinates})
