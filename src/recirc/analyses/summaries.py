"""Rows of single networks, and what networks of one kind came to together: medians, intervals, twins."""

import dataclasses
import typing
from collections.abc import Iterable, Mapping, Sequence

import jax
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from recirc.analyses.pieces import Failure, Result
from recirc.analyses.table import OF_NULLS, Row, baselines_of, frame
from recirc.compare import bootstrap_interval


def network_rows(specification: Mapping[str, typing.Any], result: Result | Failure, names: Sequence[str]) -> list[Row]:
    """Rows of one network; of one that diverged or failed, a row without a value that says why.

    Args:
        specification: of the network, with "arm" and "seed".
        result: what came of it: in its metadata "rows", as JSON (`dataclasses.asdict`), whose conditions do not yet
            say which network it is; or "outcome", why there are none.
        names: entries of the specification that say which network it is, beside arm and seed; those that are None are
            left out.
    """
    place = {name: specification[name] for name in names if specification.get(name) is not None}
    place["seed"] = specification["seed"]
    outcome = result.text if isinstance(result, Failure) else result.metadata.get("outcome")
    if isinstance(result, Failure) or outcome is not None:
        condition = {"set": "train", "outcome": outcome} | place
        return [Row("output_nmse", "performance", specification["arm"], np.nan, condition=condition, direction="lower")]
    rows = [Row(**entry | {"ci": tuple(entry["ci"])}) for entry in result.metadata["rows"]]
    return [dataclasses.replace(row, condition={**row.condition, **place}) for row in rows]


def network_history(results: Iterable[tuple[Mapping, Result | Failure]], names: Sequence[str]) -> list[dict]:
    """Every training pass of every network, each with these entries of the network's specification."""
    return [
        {name: specification[name] for name in names} | entry
        for specification, result in results
        if isinstance(result, Result)
        for entry in result.metadata["history"]
    ]


def with_twin(rows: Iterable[Row], twin: Iterable[Row]) -> list[Row]:
    """The rows, each with the baseline "untrained": the same number on the same condition for the network's twin.

    The twin has the network's input weights and bias, and random recurrent weights at the gain of its arm: what it
    shares with a circuit that is driven alike, no training has made.

    Args:
        rows: of one network; several may differ in the null alone.
        twin: of its twin.

    Example:
        >>> trained, twin = (recirc.analyses.Row("linear_cka", "population", "hints", value) for value in (0.8, 0.3))
        >>> with_twin([trained], [twin])[0].baselines["untrained"]
        0.3
    """
    place = lambda row: (row.metric, _text(row.condition, ("null", "outcome")))  # noqa: E731
    found = {place(row): row.value for row in twin}
    return [
        dataclasses.replace(row, baselines={**row.baselines, "untrained": found[place(row)]})
        if place(row) in found else row
        for row in rows
    ]  # fmt: skip


UNSHARED = ("seed", "outcome", "verdict")  # what rows of one arm and condition differ in


def summary_rows(rows: Iterable[Row], *, key: PRNGKeyArray) -> list[Row]:
    """Per arm and condition, the median over networks with its bootstrap interval; nulls and baselines likewise.

    Example:
        >>> rows = [
        ...     recirc.analyses.Row("linear_cka", "population", "hints", 0.8 + 0.01 * seed, condition={"seed": seed})
        ...     for seed in range(3)
        ... ]
        >>> [round(row.value, 2) for row in summary_rows(rows, key=jax.random.key(0))]
        [0.81]
    """
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
    null = {name: float(drawn[f"null_{name}"].median()) for name in OF_NULLS if drawn[f"null_{name}"].notna().any()}
    null["certified"] = bool(drawn["null_certified"].eq(True).all())
    return dataclasses.replace(
        first, value=float(np.median(values)) if len(values) else np.nan,
        ci=bootstrap_interval(values, key=key) if len(values) else (np.nan, np.nan), n=len(values), condition=condition,
        null={"kind": drawn["null_kind"].iloc[0]} | null if len(drawn) else None, baselines=baselines_of(group),
        **{name: float(group[name].median()) for name in ("ceiling", "teacher") if group[name].notna().any()},
    )  # fmt: skip


def _text(condition: Mapping[str, typing.Any], ignored: Sequence[str]) -> str:
    return str(sorted((name, str(value)) for name, value in condition.items() if name not in ignored))
