"""From the scores of networks to rows of `metrics.json`: one per network, one per arm, with nulls and baselines."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.analyses import Failure
from recirc.compare import bootstrap_interval
from recirc.runs import Result, Row
from recirc.types import Score

UNSHARED = ("seed", "outcome", "verdict")  # what rows of one arm and condition differ in
PLACE = ("regime", "fraction", "kind", "hint_gain", "normalization", "left_out")


def score_entry(score: Score, condition: dict | None = None, **extra) -> dict:
    """A score as JSON, for `metrics.json` once it is known which network it belongs to."""
    place = score.settings if condition is None else condition
    fields = {"metric": score.metric, "level": score.level, "direction": score.direction, "unit": score.unit}
    return {**fields, "value": float(score.value), "condition": dict(place), **extra}


def network_rows(specification: dict, result: Result | Failure, names: Sequence[str] = PLACE) -> list[Row]:
    """Rows of one network; of one that diverged or failed, a row without a value that says why.

    Args:
        specification: of the network.
        result: what came of it.
        names: entries of the specification that say which network it is, beside arm and seed; those that are None
            are left out.
    """
    place = {name: specification[name] for name in names if specification.get(name) is not None}
    place["seed"] = specification["seed"]
    outcome = result.text if isinstance(result, Failure) else result.metadata.get("outcome")
    if isinstance(result, Failure) or outcome is not None:
        condition = {"set": "train", "outcome": outcome} | place
        arm = specification["arm"]
        return [Row("output_nmse", "performance", arm, np.nan, condition=condition, direction="lower")]
    rows = []
    for score in result.metadata["scores"]:
        entry = dict(score)
        entry["condition"] = entry["condition"] | place
        if not np.isfinite(entry["value"]):
            entry["condition"]["outcome"] = "the network's output was not finite in this test"
        rows.append(Row(arm=specification["arm"], **entry))
    return rows


def with_baselines(
    rows: Sequence[Row],
    baseline: Callable[[str], str] = lambda arm: "untrained",
    ignored: Sequence[str] = tuple(name for name in PLACE if name != "regime"),
) -> list[Row]:
    """The rows, each with the value "untrained" of the same number for its arm's untrained networks.

    Args:
        rows: of all networks.
        baseline: name of the untrained arm of an arm.
        ignored: entries of the condition in which a row and its baseline may differ.
    """

    def bare(row: Row) -> tuple:
        condition = {name: str(value) for name, value in row.condition.items() if name not in ignored}
        return (row.metric, tuple(sorted(condition.items())))

    found = {(row.arm, *bare(row)): row.value for row in rows}
    return [
        row
        if (place := (baseline(row.arm), *bare(row))) not in found or row.arm == place[0]
        else dataclasses.replace(row, baselines={**row.baselines, "untrained": found[place]})
        for row in rows
    ]


def summary_rows(rows: Iterable[Row], *, key: PRNGKeyArray) -> list[Row]:
    """Per arm and condition, the median over networks with its bootstrap interval; nulls and baselines likewise."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        condition = {name: value for name, value in row.condition.items() if name not in UNSHARED}
        place = (row.metric, row.arm, tuple(sorted((name, str(value)) for name, value in condition.items())))
        groups.setdefault(place, []).append(row)
    return [_summary(members, jax.random.fold_in(key, i)) for i, members in enumerate(groups.values())]


def _summary(members: list[Row], key: PRNGKeyArray) -> Row:
    values = [row.value for row in members if np.isfinite(row.value)]
    condition = {name: value for name, value in members[0].condition.items() if name not in UNSHARED}
    if len(values) < len(members):
        condition["n_failed"] = len(members) - len(values)
    nulls = [row.null for row in members if row.null is not None]
    names = dict.fromkeys(name for row in members for name in row.baselines)
    ceilings = [row.ceiling for row in members if row.ceiling is not None]
    if not values:
        condition["outcome"] = "no network of this arm gave a number"
    return dataclasses.replace(
        members[0],
        value=float(np.median(values)) if values else np.nan,
        ci=bootstrap_interval(values, key=key) if values else (np.nan, np.nan),
        n=len(values),
        condition=condition,
        null=None
        if not nulls
        else {"kind": nulls[0]["kind"]} | {n: float(np.median([x[n] for x in nulls])) for n in ("mean", "p95", "p")},
        baselines={n: float(np.median([r.baselines[n] for r in members if n in r.baselines])) for n in names},
        ceiling=float(np.median(ceilings)) if ceilings else None,
    )


def by_seed(rows: Iterable[Row], metric: str, arm: str, **condition) -> dict[int, float]:
    """Value per seed of one number; networks that failed are left out.

    A condition given as None asks for rows that do not have it.
    """
    return {
        row.condition["seed"]: row.value
        for row in rows
        if row.metric == metric
        and row.arm == arm
        and "seed" in row.condition
        and np.isfinite(row.value)
        and all(row.condition.get(name) == value for name, value in condition.items())
    }
