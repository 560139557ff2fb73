"""The table of many runs with a line per run: settings, outcome, and a column per measure."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from recirc.analyses.table import Row

OUTCOME = "outcome"
_NOT_SAID = ("set", "outcome", "seed")


def wide(rows: Sequence[Row], keys: Sequence[str]) -> pd.DataFrame:
    """A line per run, in the order of the rows.

    Columns are the keys, "outcome" (empty, or why a run has no numbers), and one per measure, named by `column`; a
    number that a run lacks is nan.

    Args:
        rows: every number.
        keys: of the rows' conditions, which say which run a row is of.

    Example:
        >>> row = Row("output_nmse", "performance", "network", 0.1, condition={"set": "train", "seed": 1})
        >>> wide([row], ["seed"]).to_dict("list")
        {'seed': [1], 'outcome': [''], 'output_nmse(train)': [0.1]}
    """
    runs: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        place = tuple(row.condition.get(key) for key in keys)
        run = runs.setdefault(place, dict(zip(keys, place)) | {OUTCOME: ""})
        if outcome := row.condition.get("outcome"):
            run[OUTCOME] = run[OUTCOME] or str(outcome)
        if np.isfinite(row.value):
            run[column(row, keys)] = float(row.value)
    table = pd.DataFrame(list(runs.values()), columns=None if runs else [*keys, OUTCOME])
    measures = [name for name in table if name not in (*keys, OUTCOME)]
    return table[[*keys, OUTCOME, *measures]]


def column(row: Row, keys: Sequence[str] = ()) -> str:
    """Name of a measure: metric, arm unless it is the network, and on what it was measured.

    >>> column(Row("output_nmse", "robustness", "network", 0.1, condition={"set": "private_noise", "sigma": 0.1}))
    'output_nmse(private_noise, sigma=0.1)'
    """
    about = [row.arm] if row.arm != "network" else []
    about += [str(row.condition["set"])] if row.condition.get("set") else []
    others = {
        key: value for key, value in row.condition.items() if key not in (*_NOT_SAID, *keys) and value is not None
    }
    about += [f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in others.items()]
    return f"{row.metric}({', '.join(about)})".replace("/", "_") if about else row.metric


def measures_of(table: pd.DataFrame) -> list[str]:
    """Columns of a wide table that hold measures."""
    return [str(name) for name in table.columns[list(table.columns).index(OUTCOME) + 1 :]]


def to_dataset(table: pd.DataFrame, units: Mapping[str, str]) -> xr.Dataset:
    """A wide table as labelled arrays over "run".

    Args:
        table: as `wide` makes it.
        units: of its measures, by column; "1" for the others.
    """
    found = {}
    for name in map(str, table.columns):
        values = table[name].tolist()
        is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        data = np.array(values) if is_number else np.array([text(value) for value in values], dtype=object)
        found[name] = ("run", data, {"units": units.get(name, "1")})
    is_measure = set(measures_of(table))
    return xr.Dataset(found).set_coords([name for name in found if name not in is_measure and name != OUTCOME])


def to_csv(table: pd.DataFrame) -> str:
    """A wide table as CSV with every digit; a text that a spreadsheet would take for a formula begins with "'"."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_safe(str(name)) for name in table.columns])
    for line in table.itertuples(index=False):
        writer.writerow([_cell(value) for value in line])
    return buffer.getvalue()


def _cell(value) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else repr(float(value))
    return str(value) if isinstance(value, int) else _safe(text(value))


def text(value: Any) -> str:
    """A setting in words; one that is None is "none"."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _safe(word: str) -> str:
    return f"'{word}" if word[:1] in ("=", "+", "-", "@", "\t", "\r") else word
