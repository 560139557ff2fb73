"""The one table of an analysis: a row per number, and the claims that the numbers bear on.

`Row` and `Claim` are what is written to `metrics.json`; `frame` makes a pandas table of rows, which claims, figures and
reports read.
"""

import dataclasses
import math
import typing
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from recirc.compare import NullDistribution
from recirc.types import Direction, Level, Score, check_words

OF_NULLS = ("mean", "p95", "p", "half_p")
NULLS = ("null_kind", *(f"null_{name}" for name in OF_NULLS), "null_certified")
COLUMNS = ("metric", "level", "arm", "value", "low", "high", "n", "unit", "better", *NULLS, "ceiling", "teacher")
NO_NUMBER = "–"
BASELINE = "baseline_"  # and the name of the baseline: a column of the table


@dataclasses.dataclass(frozen=True)
class Row:
    """One number.

    Args:
        metric: its name.
        level: what kind of likeness or ability it measures.
        arm: which networks (or baseline) it was measured on.
        value: the number; not finite only if `condition` has an "outcome" that says why.
        ci: interval (low, high); not finite if there is none.
        n: how many independent things the value summarizes.
        condition: on what it was measured, such as {"set": "train"}.
        unit: unit of the value; "1" for a pure number.
        direction: whichever is better.
        null: {"kind", "mean", "p95", "p"} of the null distribution, if one was drawn; "certified": whether its false
            alarms are at their level there; "half_p": p of a half of the reference under it.
        baselines: the same number for simpler explanations, by name.
        ceiling: the value that the data's own noise allows, if known.
        teacher: the same number of the network that this one learned from, if there is one.

    Raises:
        ValueError: if a field is outside these bounds.

    Example:
        >>> Row("linear_cka", "population", "hints", 0.8, condition={"set": "train", "seed": 0}).condition["set"]
        'train'
    """

    metric: str
    level: Level
    arm: str
    value: float
    ci: tuple[float, float] = (math.nan, math.nan)
    n: int = 1
    condition: Mapping[str, typing.Any] = dataclasses.field(default_factory=dict)
    unit: str = "1"
    direction: Direction = "higher"
    null: Mapping[str, typing.Any] | None = None
    baselines: Mapping[str, float] = dataclasses.field(default_factory=dict)
    ceiling: float | None = None
    teacher: float | None = None

    @classmethod
    def of(cls, score: Score, arm: str, condition: Mapping[str, typing.Any] | None = None, **fields) -> "Row":
        """The row of a score; it was measured on what its settings say, unless `condition` does.

        Args:
            score: the number.
            arm: which network or recording it is of.
            condition: on what it was measured.
            fields: others of the row; `null` may be a `NullDistribution`.
        """
        if isinstance(fields.get("null"), NullDistribution):
            fields["null"] = fields["null"].bounds
        where = dict(score.settings if condition is None else condition)
        if not math.isfinite(score.value):
            where.setdefault("outcome", "the number was not finite in this test")
        return cls(
            score.metric, score.level, arm, float(score.value), condition=where, unit=score.unit,
            direction=score.direction, **fields,
        )  # fmt: skip

    def __post_init__(self):
        check_words(self.metric, level=self.level, direction=self.direction)
        if not math.isfinite(self.value) and "outcome" not in self.condition:
            raise ValueError(
                f"{self.metric} of {self.arm} is {self.value}; leave the row out, or say why with "
                'condition={..., "outcome": "a sentence"}.'
            )
        if self.null is not None and set(self.null) - {"certified", "half_p"} != {"kind", "mean", "p95", "p"}:
            raise ValueError(
                f"{self.metric}: a null has kind, mean, p95 and p, and may have certified and half_p, got "
                f"{sorted(self.null)}."
            )
        _check_interval(self.metric, self.ci, self.n)


@dataclasses.dataclass(frozen=True)
class Claim:
    """A published statement and what this run says about it.

    Args:
        claim: the statement, as one sentence.
        source: where it was made.
        supported: the verdict; False means contradicted, None that it is undecided.
        effect: size of the effect.
        ci: its interval (low, high).
        p: probability of an effect this large if there were none.
        n: how many independent things it rests on.
        smallest: the smallest effect that matters, stated before the run; nan if the claim is no effect.
        needs: of an undecided claim, how many independent things would decide it at `smallest`, if that can be told.
        power: how often `n` of this spread find the effect that is planned for, `smallest` as a rule, at the strictest
            level of the family.

    Raises:
        ValueError: if the interval is reversed or `n` is negative.

    Example:
        >>> Claim("Hints help.", "here", True, 0.21, (0.1, 0.3), 0.01, 12, 0.05).supported
        True
    """

    claim: str
    source: str
    supported: bool | None
    effect: float = math.nan
    ci: tuple[float, float] = (math.nan, math.nan)
    p: float = math.nan
    n: int = 0
    smallest: float = math.nan
    needs: int | None = None
    power: float = math.nan

    def __post_init__(self):
        _check_interval(self.claim, self.ci, self.n)


def _check_interval(name: str, ci, n: int) -> None:
    if len(ci) != 2 or ci[0] > ci[1]:
        raise ValueError(f"{name}: ci must be (low, high), got {ci}.")
    if n < 0:
        raise ValueError(f"{name}: n must not be negative, got {n}.")


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a labelled table.

    Its columns are `COLUMNS` ("better" is the row's direction), one of each key of the rows' conditions under its own
    name, and `baseline_<name>`. What a row does not have is None, or nan in columns of numbers, where whatever is not
    finite is nan too.

    Example:
        >>> row = Row("output_nmse", "performance", "hints", 0.1, condition={"set": "train", "seed": 3})
        >>> table = frame([row])
        >>> print(*table.loc[0, ["set", "seed", "value"]])
        train 3 0.1
    """
    rows = list(rows)
    keys = list(dict.fromkeys(key for row in rows for key in row.condition))
    baselines = list(dict.fromkeys(name for row in rows for name in row.baselines))
    data: dict[str, list] = {
        "metric": [row.metric for row in rows], "level": [row.level for row in rows], "arm": [row.arm for row in rows],
        "value": [float(row.value) for row in rows], "low": [float(row.ci[0]) for row in rows],
        "high": [float(row.ci[1]) for row in rows], "n": [row.n for row in rows], "unit": [row.unit for row in rows],
        "better": [row.direction for row in rows],
        "null_kind": [row.null["kind"] if row.null else None for row in rows],
        **{f"null_{name}": [float((row.null or {}).get(name, math.nan)) for row in rows] for name in OF_NULLS},
        "null_certified": [(row.null or {}).get("certified") for row in rows],
        "ceiling": [math.nan if row.ceiling is None else float(row.ceiling) for row in rows],
        "teacher": [math.nan if row.teacher is None else float(row.teacher) for row in rows],
    }  # fmt: skip
    if clash := set(keys) & set(data):
        raise ValueError(f"conditions use names of the table's own columns: {sorted(clash)}; call them otherwise.")
    table = pd.DataFrame(data)
    for key in keys:
        values = [row.condition.get(key) for row in rows]
        table[key] = pd.Series([v.item() if isinstance(v, np.generic) else v for v in values], dtype=object)
    for name in baselines:
        table[f"{BASELINE}{name}"] = [float(row.baselines.get(name, math.nan)) for row in rows]
    numbers = table.select_dtypes("float")
    table[numbers.columns] = numbers.where(np.isfinite(numbers))
    return table


def select(table: pd.DataFrame, metric: str | None = None, arm: str | None = None, **condition) -> pd.DataFrame:
    """The part of a table with this metric, arm and condition; None as a condition asks for rows that have no such key.

    Numbers are compared up to rounding.

    Example:
        >>> rows = [recirc.analyses.Row("linear_cka", "population", arm, 0.8) for arm in ("hints", "no_hints")]
        >>> len(select(recirc.analyses.frame(rows), "linear_cka", "hints"))
        1
    """
    keep = np.ones(len(table), bool)
    for name, wanted in {"metric": metric, "arm": arm}.items():
        if wanted is not None:
            keep &= (table[name] == wanted).to_numpy()
    for name, wanted in condition.items():
        if name not in table:
            keep &= wanted is None
        elif wanted is None:
            keep &= table[name].isna().to_numpy()
        else:
            keep &= np.array([_same(value, wanted) for value in table[name]], bool)
    return table[keep]


def keys_of(table: pd.DataFrame) -> list[str]:
    """Keys of the rows' conditions."""
    return [name for name in map(str, table) if name not in COLUMNS and not name.startswith(BASELINE)]


def baseline_columns(table: pd.DataFrame) -> list[str]:
    """Columns of the baselines that some row has."""
    return [name for name in map(str, table) if name.startswith(BASELINE) and table[name].notna().any()]


def having(table: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """Rows whose condition has one of these keys."""
    return table[table.reindex(columns=list(keys)).notna().any(axis=1)]


def networks(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of single networks where there are any, which have a seed; summaries otherwise."""
    single = having(table, "seed")
    return single if len(single) else table


def per_network(table: pd.DataFrame) -> pd.Series:
    """Value of every network by seed, or of summaries if there are none: the mean of its rows, nan if one is."""
    found = networks(table)
    values = found["value"].groupby(found.reindex(columns=["seed"])["seed"], sort=False, dropna=False)
    return values.mean().where(values.count() == values.size())


def levels_of(table: pd.DataFrame, name: str) -> list:
    """Values that a key of the condition takes: numbers sorted, words in order of appearance."""
    found = list(dict.fromkeys(table[name].dropna())) if name in table else []
    return sorted(found) if all(isinstance(value, int | float) for value in found) else found


def by_seed(table: pd.DataFrame, metric: str, arm: str | None = None, **condition) -> pd.Series:
    """Finite values of a number by seed; the mean where a seed has several, as over left-out directions.

    Example:
        >>> rows = [
        ...     recirc.analyses.Row("linear_cka", "population", "hints", 0.8 + 0.1 * seed, condition={"seed": seed})
        ...     for seed in range(2)
        ... ]
        >>> by_seed(recirc.analyses.frame(rows), "linear_cka", "hints").round(1).tolist()
        [0.8, 0.9]
    """
    found = networks(select(table, metric, arm, **condition))
    found = found[np.isfinite(found["value"])]
    seeds = found["seed"].to_numpy() if "seed" in found else np.array([])
    return found["value"].groupby(seeds, sort=False).mean() if len(seeds) else pd.Series(dtype=float)


def baselines_of(table: pd.DataFrame) -> dict[str, float]:
    """Median over rows of every baseline that they have, by name."""
    return {name.removeprefix(BASELINE): median(table[name]) for name in baseline_columns(table)}


def median(values: pd.Series) -> float:
    """Median of the numbers; nan of none, without the warning of pandas 2."""
    return float(values.dropna().median())


def _same(value, wanted) -> bool:
    if isinstance(value, int | float) and isinstance(wanted, int | float):
        return math.isclose(value, wanted, rel_tol=1e-5, abs_tol=1e-8)
    return value == wanted


def number(value: float | None, digits: int = 3) -> str:
    """A number with three significant digits, or a dash if it is none.

    >>> number(0.0123456), number(-12345.6), number(2.5e-7), number(None)
    ('0.0123', '−12,346', '2.5 × 10⁻⁷', '–')
    """
    if value is None or not math.isfinite(value):
        return NO_NUMBER
    if value == 0 or isinstance(value, int):
        return f"{value:,}".replace("-", "−") if value else "0"
    power = math.floor(math.log10(abs(value)))
    if -5 < power < 6:
        return f"{value:,.{max(digits - 1 - power, 0)}f}".replace("-", "−")
    raised = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value / 10.0**power:.{digits}g} × 10{raised}".replace("-", "−")
