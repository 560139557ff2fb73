"""What networks of one kind came to together: medians with intervals, and the same numbers of untrained networks."""

import dataclasses
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence

import jax
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from recirc.analyses.table import Row, baselines_of, frame
from recirc.compare import bootstrap_interval


def with_baselines(
    rows: Sequence[Row], *, baseline: Callable[[str], str] = lambda arm: "untrained", ignored: Sequence[str]
) -> list[Row]:
    """The rows, each with the value "untrained" of the same number for its arm's untrained networks.

    Args:
        rows: of all networks.
        baseline: name of the untrained arm of an arm.
        ignored: keys of the condition in which a row and its baseline may differ.
    """
    place = lambda arm, row: (arm, row.metric, _text(row.condition, ignored))  # noqa: E731
    found = {place(row.arm, row): row.value for row in rows}
    return [
        row
        if (other := place(baseline(row.arm), row)) not in found or row.arm == other[0]
        else dataclasses.replace(row, baselines={**row.baselines, "untrained": found[other]})
        for row in rows
    ]


UNSHARED = ("seed", "outcome", "verdict")  # what rows of one arm and condition differ in


def summary_rows(rows: Iterable[Row], *, key: PRNGKeyArray) -> list[Row]:
    """Per arm and condition, the median over networks with its bootstrap interval; nulls and baselines likewise."""
    rows = list(rows)
    table = frame(rows)
    places = pd.Series([f"{row.metric}|{row.arm}|{_text(row.condition, UNSHARED)}" for row in rows], dtype=object)
    groups = table.groupby(places.to_numpy(), sort=False)
    return [_summary(rows[group.index[0]], group, jax.random.fold_in(key, i)) for i, (_, group) in enumerate(groups)]


def _summary(first: Row, group: pd.DataFrame, key: PRNGKeyArray) -> Row:
    values = group["value"][np.isfinite(group["value"])].to_numpy()
    condition = {name: value for name, value in first.condition.items() if name not in UNSHARED}
    if len(values) < len(group):
        condition["n_failed"] = len(group) - len(values)
    if not len(values):
        condition["outcome"] = "no network of this arm gave a number"
    drawn = group.dropna(subset="null_kind")
    null = {name: float(drawn[f"null_{name}"].median()) for name in ("mean", "p95", "p")}
    return dataclasses.replace(
        first, value=float(np.median(values)) if len(values) else np.nan,
        ci=bootstrap_interval(values, key=key) if len(values) else (np.nan, np.nan), n=len(values), condition=condition,
        null={"kind": drawn["null_kind"].iloc[0]} | null if len(drawn) else None, baselines=baselines_of(group),
        ceiling=float(group["ceiling"].median()) if group["ceiling"].notna().any() else None,
    )  # fmt: skip


def _text(condition: Mapping[str, typing.Any], ignored: Sequence[str]) -> str:
    return str(sorted((name, str(value)) for name, value in condition.items() if name not in ignored))
