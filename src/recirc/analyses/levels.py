"""What the numbers of networks beside a reference come to, level by level: units, population, mechanism."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from recirc.analyses.table import select
from recirc.compare import CCA, DSA, JPCA, AlignmentIndex, Procrustes
from recirc.compare.mechanism import UNDETERMINED

SHOWN = {measure.metric: measure.label for measure in (CCA(), Procrustes(), DSA())}
SIMILARITIES = ("cca_mean4", "procrustes_angle")  # dsa's null is of one side, and says more of speed than of likeness
INSIDE = {"jpca_ratio": JPCA.labels["jpca_ratio"], **AlignmentIndex.labels}
UNIT_SHARE = 2 / 3  # of the features of single units that must be distributed as in the reference
ALPHA = 0.05


class LevelVerdict(NamedTuple):
    """On one level, how many networks of a group are alike, of the n that could be judged, and the numbers in words."""

    level: str
    alike: int
    n: int
    sentence: str


def numbers(networks: pd.DataFrame, by: Sequence[str], metric: str, **condition) -> pd.Series:
    """The value of a number in every network that has it, first row first.

    Args:
        networks: a table of single networks.
        by: columns that tell networks apart.
        metric, condition: as in `select`.
    """
    return select(networks, metric, **condition).drop_duplicates(by).set_index(list(by))["value"]


def judge(networks: pd.DataFrame, reference: pd.DataFrame, mechanism: str | None, *, by: Sequence[str]) -> pd.DataFrame:
    """Every network on every level; a level that cannot be judged is missing there.

    Args:
        networks: a table of single networks.
        reference: the table of what they are compared with, arm "reference", with intervals.
        mechanism: the reference's, None if unknown.
        by: columns that tell networks apart.

    Returns:
        A line per network. `units`: whether `UNIT_SHARE` of the features of its units are distributed no further from
        the reference's than 95 % of halves of the reference are from each other. `population`: whether every one of
        `SIMILARITIES` is beyond its null (p < `ALPHA`) and every portrait in `INSIDE` lies in the reference's interval
        over units. `mechanism`: whether it works by the reference's. `verdict`: its own mechanism.
    """
    index = networks.drop_duplicates(by).set_index(list(by)).index
    units = numbers(networks, by, "unit_features_alike", set="compared").reindex(index)
    similar = networks[networks["metric"].isin(SIMILARITIES)]
    chance = similar.groupby(list(by), sort=False)["null_p"].max().reindex(index)
    bounds = _intervals(reference)
    inside = pd.Series(True, index=index)
    for metric, (low, high) in bounds.items():
        inside &= numbers(networks, by, metric, set="compared").reindex(index).between(low, high)
    told = networks.reindex(columns=[*by, "verdict"]).dropna(subset="verdict").drop_duplicates(by)
    verdict = told.set_index(list(by))["verdict"].astype(object).reindex(index, fill_value=UNDETERMINED)
    unknown = (verdict == UNDETERMINED) | (mechanism is None)
    return pd.DataFrame(
        {
            "units": (units >= UNIT_SHARE).astype("boolean").mask(units.isna()),
            "population": inside.mul(chance < ALPHA).astype("boolean").mask(chance.isna() | (not bounds)),
            "mechanism": (verdict == mechanism).astype("boolean").mask(unknown),
            "verdict": verdict,
        }
    )


def _intervals(reference: pd.DataFrame) -> dict[str, tuple[float, float]]:
    own = reference[reference["arm"] == "reference"]
    own = own[np.isfinite(own["low"]) & np.isfinite(own["high"])]
    own = own.drop_duplicates("metric", keep="last").set_index("metric")
    return {metric: (own["low"][metric], own["high"][metric]) for metric in INSIDE if metric in own.index}


def level_verdicts(
    networks: pd.DataFrame, reference: pd.DataFrame, mechanism: str | None, *, by: Sequence[str]
) -> list[LevelVerdict]:
    """The three verdicts on a group of networks, such as the seeds of one cell; arguments as of `judge`."""
    judged = judge(networks, reference, mechanism, by=by)
    floor = select(networks, "unit_feature_distance")["ceiling"].median()
    counts = judged.groupby("verdict", sort=False).size()
    many = len(judged) > 1
    own = ", ".join(f"{n} {verdict}" for verdict, n in counts.items()) if many else counts.index[0]
    works = (
        f"Mechanism: {'of the networks, ' if many else ''}{own}. That of the reference is unknown: only its geometry "
        "was compared, and geometry does not tell."
    )
    if mechanism is not None and many:
        does = _count(judged, "mechanism", "work")
        works = f"{does} as the reference does, which is {mechanism}; of all networks, {own}."
    elif mechanism is not None:
        works = f"Mechanism: {own}; that of the reference is {mechanism}."
    sentences = {
        "units": f"{_count(judged, 'units', 'have units')} like the reference's. The distance of the distributions of "
        f"unit features is {spread(networks, 'unit_feature_distance')}; halves of the reference are "
        f"{'unknown' if np.isnan(floor) else f'{floor:.2g}'} apart.",
        "population": f"{_count(judged, 'population', 'are')} like the reference. {_words(networks, reference)}.",
        "mechanism": works,
    }
    return [LevelVerdict(n, int(judged[n].sum()), int(judged[n].count()), text) for n, text in sentences.items()]


def _count(judged: pd.DataFrame, level: str, verb: str) -> str:
    """How many networks of a group, or whether the only one."""
    alike, n = judged[level].sum(), judged[level].count()
    if len(judged) > 1:
        return f"{level.capitalize()}: {alike} of {n} networks {verb}"
    return f"{level.capitalize()}:{'' if alike else ' not' if n else ' not known to be'}"


def _words(networks: pd.DataFrame, reference: pd.DataFrame) -> str:
    """Similarities with null and ceiling, and portraits with the reference's interval."""
    words = []
    for metric, name in SHOWN.items():
        rows = select(networks, metric).dropna(subset="null_p")
        if len(rows):
            bound, p, ceiling = (rows[column].median() for column in ("null_p95", "null_p", "ceiling"))
            top = f", ceiling {ceiling:.2g}" if np.isfinite(ceiling) else ""
            words.append(f"{name} {spread(networks, metric)} (null {bound:.2g}, p {p:.2g}{top})")
    for metric, name in INSIDE.items():
        for own in select(reference, metric, "reference").head(1).itertuples():
            interval = f"{own.value:.2g} ({own.low:.2g} to {own.high:.2g})"
            words.append(f"{name} {spread(networks, metric)}, reference {interval}")
    return "; ".join(words)


def spread(networks: pd.DataFrame, metric: str) -> str:
    """Median over networks and their range, as text."""
    values = select(networks, metric)["value"]
    values = values[np.isfinite(values)]
    if not len(values):
        return "no number"
    if len(values) == 1:
        return f"{values.iloc[0]:.2g}"
    return f"{values.median():.2g} ({values.min():.2g} to {values.max():.2g})"
