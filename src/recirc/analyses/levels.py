"""What the numbers of networks beside a reference come to, level by level: units, population, mechanism."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from recirc.analyses.reference import HALVES
from recirc.analyses.table import median, select
from recirc.compare import CCA, DSA, JPCA, AlignmentIndex, CCACrossfit, Procrustes, ProcrustesCrossfit, labels
from recirc.compare.mechanism import UNDETERMINED
from recirc.compare.statistics import holm

SHOWN = {measure.metric: measure.label for measure in (CCA(), Procrustes(), CCACrossfit(), ProcrustesCrossfit())}
INSIDE = {"jpca_ratio": JPCA.labels["jpca_ratio"], **AlignmentIndex.labels}
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


def judge(networks: pd.DataFrame, mechanism: str | None, *, by: Sequence[str]) -> pd.DataFrame:
    """Every network on every level; a level that cannot be judged is missing there.

    Args:
        networks: a table of single networks.
        mechanism: the reference's, None if unknown.
        by: columns that tell networks apart.

    Returns:
        A line per network. `units`, `population`: whether no distance of that level is larger than those between halves
        of the reference (p < `ALPHA`, adjusted by `holm` within the level). `mechanism`: whether it works by the
        reference's. `verdict`: its own mechanism.
    """
    index = networks.drop_duplicates(by).set_index(list(by)).index
    beside = networks[networks["null_kind"] == HALVES]
    least = (
        beside.groupby([*by, "level"], sort=False)["null_p"].agg(lambda p: pd.Series(holm(p)).min()).unstack("level")
    )
    least = least.reindex(index, columns=["unit", "population"])
    alike = (least >= ALPHA).astype("boolean").mask(least.isna())
    told = networks.reindex(columns=[*by, "verdict"]).dropna(subset="verdict").drop_duplicates(by)
    verdict = told.set_index(list(by))["verdict"].astype(object).reindex(index, fill_value=UNDETERMINED)
    unknown = (verdict == UNDETERMINED) | (mechanism is None)
    return pd.DataFrame(
        {
            "units": alike["unit"],
            "population": alike["population"],
            "mechanism": (verdict == mechanism).astype("boolean").mask(unknown),
            "verdict": verdict,
        }
    )


def level_verdicts(
    networks: pd.DataFrame,
    reference: pd.DataFrame,
    mechanism: str | None,
    *,
    by: Sequence[str],
    twins: pd.DataFrame | None = None,
) -> list[LevelVerdict]:
    """The three verdicts on a group of networks, such as the seeds of one cell.

    Args:
        networks, mechanism, by: as of `judge`.
        reference: the table of what they are compared with, arm "reference", with intervals.
        twins: a table of their untrained twins, if there are any: what passes there says nothing of training.
    """
    judged = judge(networks, mechanism, by=by)
    untrained = None if twins is None or twins.empty else judge(twins, None, by=by)
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
        "units": f"{_count(judged, 'units', 'have units')} like the reference's. {_far(networks, by, 'unit')}"
        f"{_passing(untrained, 'units')}",
        "population": f"{_count(judged, 'population', 'are')} like the reference. {_far(networks, by, 'population')}"
        f"{_passing(untrained, 'population')} Beside it: {_words(networks, reference)}.",
        "mechanism": works,
    }
    return [LevelVerdict(n, int(judged[n].sum()), int(judged[n].count()), text) for n, text in sentences.items()]


def _count(judged: pd.DataFrame, level: str, verb: str) -> str:
    """How many networks of a group, or whether the only one."""
    alike, n = judged[level].sum(), judged[level].count()
    if len(judged) > 1:
        return f"{level.capitalize()}: {alike} of {n} networks {verb}"
    return f"{level.capitalize()}:{'' if alike else ' not' if n else ' not known to be'}"


def _passing(untrained: pd.DataFrame | None, level: str) -> str:
    """How many untrained twins pass on a level."""
    if untrained is None or not untrained[level].count():
        return ""
    return f" Of untrained twins, {untrained[level].sum()} of {untrained[level].count()} are alike, too."


def _far(networks: pd.DataFrame, by: Sequence[str], level: str) -> str:
    """Which distances of a level are larger than between halves, and in how many networks."""
    beside = networks[(networks["null_kind"] == HALVES) & (networks["level"] == level)]
    if beside["null_p"].isna().all():
        return "Nothing could be compared with halves of the reference."
    adjusted = beside.groupby(list(by), sort=False)["null_p"].transform(lambda p: holm(p))
    counts = beside[adjusted < ALPHA].groupby("metric", sort=False).size()
    n = len(beside.drop_duplicates(by))
    if counts.empty:
        return "No distance is larger than those between halves of the reference."
    names = {metric: labels()[str(metric).removesuffix("_distance")] for metric in counts.index}
    each = ", ".join(f"{names[m]}{f' ({count} of {n})' if n > 1 else ''}" for m, count in counts.items())
    return f"Further from the reference than its halves are from each other: {each}."


def _words(networks: pd.DataFrame, reference: pd.DataFrame) -> str:
    """Similarities with null and ceiling, and portraits with the reference's interval."""
    words = []
    for metric, name in SHOWN.items():
        rows = select(networks, metric).dropna(subset="null_p")
        if len(rows):
            bound, p, ceiling = (median(rows[column]) for column in ("null_p95", "null_p", "ceiling"))
            half, is_certified = median(rows["null_half_p"]), bool(rows["null_certified"].eq(True).all())
            top = f", ceiling {ceiling:.2g}" if np.isfinite(ceiling) else ""
            top += "" if is_certified else ", not certified"
            top += f", halves of the reference {half:.2g}: this null cannot tell here" if half >= ALPHA else ""
            words.append(f"{name} {spread(networks, metric)} (null {bound:.2g}, p {p:.2g}{top})")
    if len(select(networks, "dsa")):
        beside = {"identity": "dsa_identity", "speed ratio": "dsa_speed_ratio", "twin 0, half 1": "dsa_scale"}
        numbers = [f"{name} {spread(networks, m)}" for name, m in beside.items() if len(select(networks, m))]
        words.append(f"{DSA.label} {spread(networks, 'dsa')} ({', '.join(numbers)}; no certified null)")
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
