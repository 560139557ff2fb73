"""How far networks and a reference are alike, level by level: units, population, mechanism."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from recirc.figures.style import label
from recirc.runs import Row
from recirc.studies.kao2019 import PERFORMS

SIMILARITIES = ("cca_mean4", "procrustes_angle")
SHOWN = (*SIMILARITIES, "dsa")  # its null is of one side only, and says more about speed than about likeness
INSIDE = ("jpca_ratio", "alignment_index")
UNIT_SHARE = 2 / 3  # of the features of single units that must be distributed as in the reference
ALPHA = 0.05


@dataclasses.dataclass(frozen=True)
class Levels:
    """One network against a reference; None where a level cannot be judged.

    Args:
        performs: whether it does the task.
        units: whether `UNIT_SHARE` of the features of its units are distributed like the reference's, no further from
            them than 95 % of halves of the reference are from each other.
        population: whether every one of `SIMILARITIES` is beyond its null (p < `ALPHA`) and every
            portrait in `INSIDE` lies in the reference's interval over units.
        mechanism: whether it works by the reference's mechanism; None if that is unknown.
        verdict: the network's own mechanism.
    """

    performs: bool
    units: bool | None
    population: bool | None
    mechanism: bool | None
    verdict: str


def value_of(rows: Sequence[Row], metric: str, **condition) -> float:
    """Value of the first row of this metric and condition; nan if there is none."""
    for row in rows:
        if row.metric == metric and all(row.condition.get(name) == wanted for name, wanted in condition.items()):
            return row.value
    return float("nan")


def judge_network(rows: Sequence[Row], intervals: Mapping[str, tuple[float, float]], mechanism: str | None) -> Levels:
    """Judge one network.

    Args:
        rows: its numbers.
        intervals: of the reference's portraits, by metric.
        mechanism: the reference's, None if unknown.
    """
    units = value_of(rows, "unit_features_alike", set="compared")
    verdicts = [row.condition["verdict"] for row in rows if "verdict" in row.condition]
    verdict = verdicts[0] if verdicts else "undetermined"
    return Levels(
        performs=bool(value_of(rows, "output_r2", set="train") >= PERFORMS),
        units=None if np.isnan(units) else bool(units >= UNIT_SHARE),
        population=_population(rows, intervals),
        mechanism=None if mechanism is None or verdict == "undetermined" else verdict == mechanism,
        verdict=verdict,
    )


def _population(rows: Sequence[Row], intervals: Mapping[str, tuple[float, float]]) -> bool | None:
    chance = [row.null["p"] for row in rows if row.metric in SIMILARITIES and row.null is not None]
    portraits = [(intervals[m], value_of(rows, m, set="compared")) for m in INSIDE if m in intervals]
    if not chance or not portraits:
        return None
    inside = all(low <= value <= high for (low, high), value in portraits)
    return bool(max(chance) < ALPHA and inside)


@dataclasses.dataclass(frozen=True)
class LevelVerdict:
    """What the networks of one cell show on one level.

    Args:
        level: "units", "population" or "mechanism".
        alike: how many of the networks are like the reference.
        n: of how many that could be judged.
        sentence: the numbers in words.
    """

    level: str
    alike: int
    n: int
    sentence: str


def level_verdicts(
    networks: Sequence[Sequence[Row]], reference: Sequence[Row], mechanism: str | None
) -> tuple[LevelVerdict, LevelVerdict, LevelVerdict]:
    """The three verdicts on a group of networks, such as the seeds of one cell, with a sentence each.

    Args:
        networks: rows of every network.
        reference: rows of the reference, with intervals.
        mechanism: the reference's, None if unknown.
    """
    intervals = {row.metric: row.ci for row in reference if np.isfinite(row.ci).all()}
    judged = [judge_network(rows, intervals, mechanism) for rows in networks]
    return (
        _units(networks, judged),
        _population_verdict(networks, judged, reference),
        _mechanism_verdict(judged, mechanism),
    )


def _count(judged: Sequence[Levels], level: str) -> tuple[int, int]:
    found = [getattr(each, level) for each in judged if getattr(each, level) is not None]
    return sum(found), len(found)


def spread(networks: Sequence[Sequence[Row]], metric: str, **condition) -> str:
    """Median over networks and their range, as text."""
    values = np.array([value_of(rows, metric, **condition) for rows in networks])
    values = values[np.isfinite(values)]
    if not len(values):
        return "no number"
    if len(values) == 1:
        return f"{values[0]:.2g}"
    return f"{np.median(values):.2g} ({values.min():.2g} to {values.max():.2g})"


def _units(networks, judged) -> LevelVerdict:
    alike, n = _count(judged, "units")
    floors = [r.ceiling for rows in networks for r in rows if r.metric == "unit_feature_distance" and r.ceiling]
    floor = f"{np.median(floors):.2g}" if floors else "unknown"
    sentence = (
        f"Units: {alike} of {n} networks have units like the reference's. The distance of the distributions of unit "
        f"features is {spread(networks, 'unit_feature_distance')}; halves of the reference are {floor} apart."
    )
    return LevelVerdict("units", alike, n, sentence)


def _population_verdict(networks, judged, reference) -> LevelVerdict:
    alike, n = _count(judged, "population")
    words = []
    for metric in SHOWN:
        rows = [r for each in networks for r in each if r.metric == metric and r.null is not None]
        if rows:
            bound, p = (np.median([r.null[name] for r in rows]) for name in ("p95", "p"))
            ceilings = [r.ceiling for r in rows if r.ceiling is not None]
            top = f", ceiling {np.median(ceilings):.2g}" if ceilings else ""
            words.append(f"{label(metric)} {spread(networks, metric)} (null {bound:.2g}, p {p:.2g}{top})")
    for metric in INSIDE:
        own = next((row for row in reference if row.metric == metric and row.arm == "reference"), None)
        if own is not None:
            low, high = own.ci
            words.append(
                f"{label(metric)} {spread(networks, metric)}, reference {own.value:.2g} ({low:.2g} to {high:.2g})"
            )
    sentence = f"Population: {alike} of {n} networks are like the reference. {'; '.join(words)}."
    return LevelVerdict("population", alike, n, sentence)


def _mechanism_verdict(judged: Sequence[Levels], mechanism: str | None) -> LevelVerdict:
    alike, n = _count(judged, "mechanism")
    counts = {v: sum(each.verdict == v for each in judged) for v in dict.fromkeys(each.verdict for each in judged)}
    own = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    if mechanism is None:
        sentence = (
            f"Mechanism: of the networks, {own}. That of the reference is unknown: only its geometry was compared, and "
            "geometry does not tell."
        )
    else:
        sentence = (
            f"Mechanism: {alike} of {n} networks work as the reference does, which is {mechanism}; of all networks, "
            f"{own}."
        )
    return LevelVerdict("mechanism", alike, n, sentence)
