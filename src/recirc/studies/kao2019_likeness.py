"""How alike an activity and the reference of the delayed reach study are: units, population, each with its null."""

import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.compare import (
    CCA,
    DSA,
    JPCA,
    AbstractPortrait,
    AlignmentIndex,
    FlippedComponents,
    ParticipationRatio,
    Procrustes,
    ShuffledConditions,
    Tangling,
    TensorMaximumEntropy,
    UnitFeatures,
    bootstrap_interval,
    null_distribution,
    random_subspaces,
    soft_constant,
    split_half_ceiling,
    unit_feature_distance,
)
from recirc.compare.base import numpy_generator
from recirc.runs import Row
from recirc.studies.kao2019 import MOVEMENT, N_UNITS, PREPARATION, ROTATION
from recirc.studies.kao2019_reference import Reference
from recirc.studies.summaries import score_entry
from recirc.types import Activity, Score

COMPARED = {"set": "compared"}
SIMILARITIES = ((CCA(), ShuffledConditions()), (Procrustes(), ShuffledConditions()), (DSA(), FlippedComponents()))
SOFT = 5.0  # spikes/s, for recordings and circuits
N_UNIT_RESAMPLES = 100
LEAST_UNITS = 10  # active units under which a network has no likeness to anything


def portraits(soft: float) -> tuple[dict[str, AbstractPortrait], dict[str, AbstractPortrait]]:
    """Portraits with a surrogate null, and those without one, by metric."""
    start, stop = ROTATION
    judged: dict[str, AbstractPortrait] = {
        f"jpca_{statistic}": JPCA(soft=soft, start=start, stop=stop, statistic=statistic)
        for statistic in ("ratio", "r2_skew", "r2_best")
    }
    judged["tangling_p95"] = Tangling(soft=soft)
    return judged, {
        "alignment_index": AlignmentIndex(PREPARATION, MOVEMENT, soft=soft),
        "participation_ratio": ParticipationRatio(soft=soft),
    }


def unit_features(a: Activity) -> Score:
    """Features of every unit in the study's epochs."""
    return UnitFeatures(PREPARATION, MOVEMENT)(a)


def likeness(a: Activity, reference: Reference, *, n_draws: int, key: PRNGKeyArray) -> list[dict]:
    """Scores of an activity at the reference's conditions and times, on units and population.

    Units that never change are counted and left out; of fewer than `LEAST_UNITS` others nothing else is said.
    """
    silent = np.ptp(np.asarray(a.rates), axis=(0, 1)) == 0
    counted = score_entry(Score("silent_units", float(silent.mean()), "unit", "lower"), COMPARED)
    if n_active(a) < LEAST_UNITS:
        return [counted]
    a = a.without_units([unit for unit, is_silent in zip(a.units, silent) if is_silent])
    return [
        counted,
        *_units(a, reference, key),
        *_portraits(a, soft_constant(a, reference.activity, SOFT), n_draws, key),
        *_similarities(a, reference, n_draws, key),
    ]


def n_active(a: Activity) -> int:
    """Number of units that change at all."""
    return int((np.ptp(np.asarray(a.rates), axis=(0, 1)) > 0).sum())


def _units(a: Activity, reference: Reference, key) -> list[dict]:
    features, theirs = unit_features(a), unit_features(reference.activity)
    found = unit_feature_distance(features, theirs, key=key)
    scores = [score_entry(found, COMPARED, ceiling=float(found.parts["floor"].mean()))]
    alike = Score("unit_features_alike", float(np.mean(found.parts["distance"] <= found.parts["floor_p95"])), "unit")
    scores.append(score_entry(alike, COMPARED))
    for name, center in zip(found.parts["feature"], found.parts["center"]):
        unit = {"peak_time": "s", "direction_change": "degree"}.get(str(name), "1")
        scores.append(score_entry(Score(f"unit_{name}", float(center), "unit", unit=unit), COMPARED))
    return scores


def _portraits(a: Activity, soft: float, n_draws: int, key) -> list[dict]:
    judged, others = portraits(soft)
    scores = []
    for portrait in judged.values():
        chance = null_distribution(portrait, a, None, TensorMaximumEntropy(), n_draws=n_draws, key=key)
        scores.append(score_entry(chance.score, COMPARED, null=chance.bounds))
    scores.append(_frequency(judged["jpca_ratio"](a)))
    chance = random_subspaces(AlignmentIndex(PREPARATION, MOVEMENT, soft=soft), a, n_draws=1000, key=key)
    scores.append(score_entry(chance.score, COMPARED, null=chance.bounds))
    scores.append(score_entry(others["participation_ratio"](a), COMPARED))
    if a.outputs is not None:
        scores.append(score_entry(Tangling(soft=soft, of="outputs", n_components=2)(a), COMPARED | {"of": "outputs"}))
    return scores


def _frequency(score: Score) -> dict:
    """Frequency of the fastest plane."""
    found = Score("jpca_frequency", float(score.parts["frequency_hz"][0]), "population", unit="Hz")
    return score_entry(found, COMPARED)


def _similarities(a: Activity, reference: Reference, n_draws: int, key) -> list[dict]:
    scores = []
    for measure, null in SIMILARITIES:
        draws = n_draws if not isinstance(measure, DSA) else min(n_draws, 39)
        chance = null_distribution(measure, reference.activity, a, null, n_draws=draws, key=key)
        ceiling = _ceiling(measure, reference, key)
        scores.append(score_entry(chance.score, COMPARED, null=chance.bounds, ceiling=ceiling))
    return scores


def _ceiling(measure, reference: Reference, key) -> float | None:
    """What halves of the recording, or another circuit of the same kind, score against the reference."""
    if reference.trials is not None:
        found = split_half_ceiling(measure, reference.trials, key=key)
        return float(found.full if np.isfinite(found.full) else found.value)
    return None if reference.another is None else float(measure(reference.another, reference.activity).value)


def reference_rows(reference: Reference, *, n_draws: int, key: PRNGKeyArray) -> list[Row]:
    """Portraits and unit features of the reference, with intervals over its units, and of a second circuit."""
    a = reference.activity
    judged, others = portraits(SOFT)
    spread = _over_units(a, {**judged, **others}, key)
    features = unit_features(a)
    for name in UnitFeatures.names:
        values = features.parts.get(name)
        if values is not None:
            values = np.asarray(values, float)[np.isfinite(values)]
            center = np.mean if name == "multiphasic" else np.median
            spread[f"unit_{name}"] = bootstrap_interval(values, key=key, statistic=center)
    rows = []
    for entry in _portraits(a, SOFT, n_draws, key) + _units(a, reference, key):
        if entry["metric"] in ("unit_feature_distance", "unit_features_alike"):
            continue
        rows.append(Row(arm="reference", n=len(a.units), ci=spread.get(entry["metric"], (np.nan, np.nan)), **entry))
    if reference.another is not None:
        rows += [
            Row(arm="second circuit", **entry)
            for entry in likeness(reference.another, reference, n_draws=n_draws, key=key)
        ]
    return rows


def _over_units(a: Activity, measures: dict, key) -> dict[str, tuple[float, float]]:
    """95 % of the values of portraits over draws of units with replacement, at most as many as a network has."""
    random, n = numpy_generator(key), len(a.units)
    draws = {metric: [] for metric in measures}
    for _ in range(N_UNIT_RESAMPLES):
        drawn = random.integers(0, n, min(n, N_UNITS))
        again = a.replace(rates=a.rates[:, :, drawn], units=None)
        for metric, measure in measures.items():
            draws[metric].append(measure(again).value)
    return {metric: tuple(np.percentile(values, [2.5, 97.5]).tolist()) for metric, values in draws.items()}
