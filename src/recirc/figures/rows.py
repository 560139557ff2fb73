"""Choosing numbers from the rows of `metrics.json`.

A row whose condition has a "seed" is one network; a row without is a summary over networks. Where there are
both, figures show the networks. Other keys of a condition that figures know: "set" and its level ("sigma",
"snr_db", "scale", ...), "regime", "fraction" (share of units recorded), "direction" (a left-out one).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from recirc.figures.style import label

_BOOKKEEPING = ("seed", "regime", "fraction", "outcome", "draw")
# The spaces inside do not break.
_LEVELS = {"sigma": "σ = {:g}", "snr_db": "{:g} dB", "scale": "× {:g}", "time_s": "at {:g} s"}


class MetricsRow(Protocol):
    """What figures read of a row of `metrics.json`."""

    @property
    def metric(self) -> str: ...
    @property
    def arm(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def ci(self) -> tuple[float, float]: ...
    @property
    def condition(self) -> Mapping[str, Any]: ...
    @property
    def null(self) -> Mapping[str, Any] | None: ...
    @property
    def baselines(self) -> Mapping[str, float]: ...
    @property
    def ceiling(self) -> float | None: ...


AnyRow = TypeVar("AnyRow", bound=MetricsRow)


def select(rows: Iterable[AnyRow], metric: str, arm: str | None = None, **condition) -> list[AnyRow]:
    """Rows of a metric (and arm) whose condition has these values; None stands for "has no such key".

    Networks only, if there are any among them; summaries otherwise.
    """
    found = [
        row
        for row in rows
        if row.metric == metric
        and arm in (None, row.arm)
        and all(_same(row.condition.get(name), value) for name, value in condition.items())
    ]
    return [row for row in found if "seed" in row.condition] or found


def levels(rows: Iterable[MetricsRow], name: str) -> list:
    """Values that a key of the condition takes: numbers sorted, words in order of appearance."""
    found = list(dict.fromkeys(row.condition[name] for row in rows if row.condition.get(name) is not None))
    return sorted(found) if all(isinstance(value, (int, float)) for value in found) else found


def arms(rows: Iterable[MetricsRow]) -> list[str]:
    """Arms in order of appearance."""
    return list(dict.fromkeys(row.arm for row in rows))


def by_seed(rows: Iterable[MetricsRow]) -> dict:
    """Value of every network, by seed; its mean where it has several, as over left-out directions."""
    found: dict[Any, list[float]] = {}
    for row in rows:
        found.setdefault(row.condition.get("seed"), []).append(float(row.value))
    return {seed: float(np.mean(values)) for seed, values in found.items()}


def median(values: Iterable[float]) -> float:
    """Median of what is finite; not finite if nothing is."""
    finite = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.median(finite)) if finite else float("nan")


def null_of(rows: Iterable[MetricsRow], name: str) -> float:
    """Median over rows of one number ("mean", "p95", "p") of the null."""
    return median(row.null[name] for row in rows if row.null is not None)


def ceiling_of(rows: Iterable[MetricsRow]) -> float:
    """Median over rows of the ceiling."""
    return median(row.ceiling for row in rows if row.ceiling is not None)


def baselines_of(rows: Iterable[MetricsRow]) -> dict[str, float]:
    """Median over rows of every baseline, by name."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.baselines.items():
            found.setdefault(name, []).append(value)
    return {name: median(values) for name, values in found.items()}


def circumstance(condition: Mapping[str, Any]) -> str:
    """On what a number was measured, in words: "private noise σ = 0.1"."""
    words = [label(str(condition.get("set", "all")))]
    for name, value in condition.items():
        if name == "set" or name in _BOOKKEEPING:
            continue
        words.append(_LEVELS[name].format(value) if name in _LEVELS else f"{label(name)} {_plain(value)}")
    return " ".join(words)


def first_fraction(rows: Sequence[MetricsRow], arm: str) -> float | None:
    """The smallest share of units recorded in this arm, if it has any."""
    found = levels([row for row in rows if row.arm == arm], "fraction")
    return found[0] if found else None


def percent(fraction: float) -> str:
    """A share in percent, with a space that does not break: "2.5 %"."""
    return f"{100 * fraction:g}\N{NO-BREAK SPACE}%"


def _plain(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _same(a, b) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return bool(np.isclose(a, b))
    return a == b
