"""Units and population of an activity beside those of a reference, each number with its null."""

import dataclasses
import functools
import hashlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, PRNGKeyArray

from recirc import compare
from recirc.analyses.pieces import piece_key, seed_of
from recirc.analyses.table import Row
from recirc.analyses.verdict_config import Reference, VerdictConfig, Window
from recirc.compare import (
    CCA,
    DSA,
    JPCA,
    AlignmentIndex,
    CCACrossfit,
    ParticipationRatio,
    Procrustes,
    ProcrustesCrossfit,
    Tangling,
    UnitFeatures,
)  # fmt: skip
from recirc.compare.base import AbstractSimilarity
from recirc.compare.halves import Distances, beside_halves, between_halves
from recirc.compare.unit_features import FEATURES, feature_distance
from recirc.types import Activity, Level, Score

HALVES = "halves"  # kind of the null of distances between halves of the reference
HERE = {"set": "compared"}  # the condition of every row: the reference's conditions, in its time window
LEAST_RANGE = 0.01  # of a unit, as a share of the largest
FEWEST_UNITS = 8  # of a reference: halves of fewer are called unlike too often


def rows_beside(
    a: Activity, reference: Reference, config: VerdictConfig, *, key: PRNGKeyArray, arm: str = "network",
    twins: Sequence[Activity] = (), brief: bool = False, halves_key: PRNGKeyArray | None = None,
) -> list[Row]:  # fmt: skip
    """Numbers of an activity at the reference's conditions and times, on units and population, each with its null.

    Silent units (`active_units`) are counted and left out; of fewer than `least_units` others nothing else is said.
    Dynamics (`DSA`) have no certified null: beside them stand the identity, the speed and, where there are `twins` of
    the network on the reference's clock, `beside_twins`. If `brief`, only what the levels are judged by is said.
    Networks that are given one `halves_key` share the halves of the reference, and the work of comparing these.
    """
    changes = active_units(a)
    counted = Row.of(Score("silent_units", float((~changes).mean()), "unit", "lower"), arm, HERE)
    if changes.sum() < config.least_units:
        return [counted]
    a, *twins = (side.select_units(list(np.array(side.units)[active_units(side)])) for side in (a, *twins))
    soft = compare.soft_constant(a, reference.activity, config.soft or 0.0)
    rows = [counted, *_rows_beside_halves(a, reference.activity, config, soft, key, halves_key, arm)]
    if brief:
        return rows
    rows += _unit_rows(a, reference, config, key, arm) + _portrait_rows(a, config, soft, key, arm)
    for measure in _similarities(config) if config.n_draws else ():
        null = measure.nulls[0]
        chance = compare.null_distribution(measure, reference.activity, a, null, n_draws=config.n_draws, key=key)
        if chance.is_certified and len(reference.activity.units) >= FEWEST_UNITS:
            half = functools.partial(_half_p, measure, reference.activity)
            name = ["half_p", repr(measure), _digest(reference.activity)]
            chance = dataclasses.replace(chance, half_p=_shared(name, half, key, halves_key))
        rows.append(Row.of(chance.score, arm, HERE, null=chance, ceiling=_ceiling(measure, reference, key)))
    return rows + _dynamics_rows(a, reference, twins if config.n_draws else (), key, arm)


def _dynamics_rows(a: Activity, reference: Reference, twins: Sequence[Activity], key, arm: str) -> list[Row]:
    """Likeness of dynamics, the reference's angle to the identity, how many times as fast, and the twins' scale."""
    measure = DSA()
    score = measure(reference.activity, a)
    apart = {"dsa_identity": (score.parts["identity_angle"][0], "lower", "rad"),
             "dsa_speed_ratio": (score.parts["speed_ratio"], "higher", "1")}  # fmt: skip
    if twins:
        apart["dsa_scale"] = (compare.beside_twins(measure, a, reference.activity, twins, key=key).scale, "higher", "1")
    scores = [Score(name, float(value), "population", *about) for name, (value, *about) in apart.items()]
    rows = [Row.of(each, arm, HERE) for each in scores]
    return [Row.of(score, arm, HERE), *rows]


def _similarities(config: VerdictConfig) -> tuple[AbstractSimilarity, AbstractSimilarity]:
    if config.left_out:
        return CCACrossfit(left_out=config.left_out), ProcrustesCrossfit(left_out=config.left_out)
    return CCA(), Procrustes()


_OF_HALVES: dict[str, Any] = {}  # what was found of halves of references, of this process


def _shared(about: Sequence, find: Callable[[PRNGKeyArray], Any], key, halves_key):
    """What is found of a reference's halves with the key; with a `halves_key` once for all networks that share it."""
    if halves_key is None:
        return find(key)
    name = piece_key([*about, seed_of(halves_key)])
    return _OF_HALVES[name] if name in _OF_HALVES else _OF_HALVES.setdefault(name, find(halves_key))


def _half_p(measure: AbstractSimilarity, reference: Activity, key) -> float:
    return compare.half_p(measure, reference, measure.nulls[0], n_splits=3, n_draws=39, key=key)


def _digest(a: Activity) -> str:
    return hashlib.sha256(np.asarray(a.rates).tobytes()).hexdigest()


def _rows_beside_halves(
    a: Activity, reference: Activity, config: VerdictConfig, soft: float, key, halves_key, arm: str
) -> list[Row]:
    """How far the activity is from the reference, beside how far halves of the reference are from each other."""
    if len(reference.units) < FEWEST_UNITS:
        return []
    sides, measure = {"network": a, "reference": reference}, UnitFeatures(*_epochs(config))
    features = {name: measure(side).parts for name, side in sides.items()}
    shared = [name for name in FEATURES if all(name in parts for parts in features.values())]
    similarities = _similarities(config)
    portraits = {"network": _portraits(config, soft), "reference": _portraits(config, config.soft or 0.0)}

    def units(one, other) -> dict[str, float]:
        values = lambda side, name: np.asarray(features[side[0]][name], float)[side[1]]  # noqa: E731
        return {name: feature_distance(values(one, name), values(other, name)) for name in shared}

    def unlike(one, other) -> dict[str, float]:
        x, y = (_of_units(sides[name], places) for name, places in (one, other))
        found = {similarity.metric: similarity(x, y) for similarity in similarities}
        return {name: 1 - s.value if s.direction == "higher" else s.value for name, s in found.items()}

    def features_apart(one, other) -> dict[str, float]:
        x, y = (_of_units(sides[name], places) for name, places in (one, other))
        rotation, _, alignment, _ = zip(portraits[one[0]], portraits[other[0]])
        return {p.metric: abs(p(x).value - q(y).value) for p, q in (rotation, alignment)}

    half, n_reference, rows = len(reference.units) // 2, len(reference.units), []
    n = half if len(a.units) >= half else max(len(a.units) // 10 * 10, min(len(a.units), 10))
    levels: list[tuple[Level, Distances]] = [("unit", units), ("population", unlike), ("population", features_apart)]
    for level, distances in levels:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the rows of all units have said all there is to say
            between = lambda key: between_halves(distances, n_reference, n, n_splits=config.n_splits, key=key)  # noqa: B023, E731
            left_out = config.left_out if distances is unlike else ()
            about = dataclasses.replace(config, n_draws=0, onset=None, left_out=left_out)
            halves = _shared([distances.__name__, n, shared, about, _digest(reference)], between, key, halves_key)
            found = beside_halves(distances, halves, len(a.units), n_reference, n, n_draws=config.n_pairs, key=key)
        n_together = len(shared) if level == "unit" else len(similarities) + 2
        can_tell = n_together / (1 + config.n_splits) < 0.05
        for name, beside in found.items():
            p = beside.p if can_tell else np.nan
            null = {"kind": HALVES, "mean": beside.mean, "p95": beside.p95, "p": p, "certified": can_tell}
            prefix = "unit_" if level == "unit" else ""
            score = Score(f"{prefix}{name}_distance", beside.distance, level, "lower")
            rows.append(Row.of(score, arm, {"set": "halves"}, null=null))
    return rows


def _of_units(a: Activity, places) -> Activity:
    return Activity(a.rates[:, :, places], dt=a.dt, conditions=a.conditions, start=a.start)


def active_units(a: Activity) -> Bool[np.ndarray, " unit"]:
    """Which units are not silent: over conditions and times, a range of 1 % of the largest unit's or more."""
    ranges = np.ptp(np.asarray(a.rates), axis=(0, 1))
    return (ranges > 0) & (ranges >= LEAST_RANGE * ranges.max())


def _portraits(config: VerdictConfig, soft: float) -> tuple[JPCA, Tangling, AlignmentIndex, ParticipationRatio]:
    start, stop = config.rotation or (None, None)
    alignment = AlignmentIndex(*_epochs(config), soft=soft)
    return JPCA(soft=soft, start=start, stop=stop), Tangling(soft=soft), alignment, ParticipationRatio(soft=soft)


def _epochs(config: VerdictConfig) -> tuple[Window, Window]:
    if config.preparation is None or config.movement is None:
        raise ValueError("the windows are open; use config.resolved(reference, n_units).")
    return config.preparation, config.movement


def _unit_rows(a: Activity, reference: Reference, config: VerdictConfig, key, arm: str) -> list[Row]:
    measure = UnitFeatures(*_epochs(config))
    found = compare.unit_feature_distance(measure(a), measure(reference.activity), key=key)
    centers = zip(found.parts["feature"].tolist(), found.parts["center"].tolist())
    scores = [Score(f"unit_{name}", middle, "unit", unit=FEATURES[name][0]) for name, middle in centers]
    ceiling = float(found.parts["floor"].mean())
    return [Row.of(found, arm, HERE, ceiling=ceiling), *(Row.of(score, arm, HERE) for score in scores)]


def _portrait_rows(a: Activity, config: VerdictConfig, soft: float, key, arm: str) -> list[Row]:
    rotation, tangling, alignment, participation = _portraits(config, soft)
    null = compare.TensorMaximumEntropy()
    if config.n_draws:
        judged = [*compare.null_distributions([rotation, tangling], a, null, n_draws=config.n_draws, key=key).values()]
        judged.append(compare.random_subspaces(alignment, a, n_draws=1000, key=key))
        rows = [Row.of(chance.score, arm, HERE, null=chance) for chance in judged]
        scores = [chance.score for chance in judged]
    else:
        scores = [*rotation.scores(a), *tangling.scores(a), alignment(a)]
        rows = [Row.of(score, arm, HERE) for score in scores]
    fastest = next(float(s.parts["frequency_hz"][0]) for s in scores if s.metric == "jpca_ratio")
    rows.append(Row.of(Score("jpca_frequency", fastest, "population", unit="Hz"), arm, HERE))
    rows.append(Row.of(participation(a), arm, HERE))
    if a.outputs is not None and np.ptp(np.asarray(a.outputs), axis=(0, 1)).any():
        tangled = Tangling(soft=soft, of="outputs", n_components=2)(a)
        rows.append(Row.of(tangled, arm, HERE | {"of": "outputs"}))
    return rows


def _ceiling(measure, reference: Reference, key) -> float | None:
    """What a perfect model would score; not known without single trials. A second circuit is another individual."""
    if reference.single_trials is None:
        return None
    value = compare.noise_ceiling(measure, reference.single_trials, key=key).value
    return value if np.isfinite(value) else None


def reference_rows(reference: Reference, config: VerdictConfig, *, key: PRNGKeyArray) -> list[Row]:
    """Portraits and unit features of the reference, with intervals over its units, and likeness of a second circuit."""
    a, soft = reference.activity, config.soft or 0.0
    intervals = {}
    for portrait in _portraits(config, soft):
        intervals |= compare.over_units(portrait, a, n_units=config.n_units, n_draws=config.n_resamples, key=key)
    features = UnitFeatures(*_epochs(config))(a).parts
    for name in FEATURES.keys() & features.keys():
        values = np.asarray(features[name], float)
        center = np.mean if name == "multiphasic" else np.median
        intervals[f"unit_{name}"] = compare.bootstrap_interval(values[np.isfinite(values)], key=key, statistic=center)
    rows = _portrait_rows(a, config, soft, key, "reference") + _unit_rows(a, reference, config, key, "reference")[1:]
    rows = [dataclasses.replace(r, n=len(a.units), ci=intervals.get(r.metric, (np.nan, np.nan))) for r in rows]
    if reference.another is not None:
        rows += rows_beside(reference.another, reference, config, key=key, arm="second circuit")
    return rows
