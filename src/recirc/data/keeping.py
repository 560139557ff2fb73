"""Trials and units that count, by what columns say of them."""

import dataclasses
import operator
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from recirc.data.names import is_called
from recirc.data.screening import check_column, listed, trial_names
from recirc.data.session import PreparationError, Session

Wanted = Mapping[str, object]  # column -> a value, several, or a comparison such as ">= 3"
COMPARISONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "!=": operator.ne}
OUTCOMES = (
    r"result|outcome|(is_?)?(correct|success|successful|good|bad|valid|invalid|ok)|successes|error|fail|failed|failure|rewarded|"
    r"hit|miss|missed|abort|aborted|completed?|status|performance|included?|excluded?|discard(ed)?|rejected"
)
QUALITIES = rf"{OUTCOMES}|quality|(ks)?label|isolation|mua|noise|sorting"
MOST_OUTCOMES = 8


class Dropped(NamedTuple):
    """How many "trials", "units" or "spikes" (then names are units) were left out, and why."""

    what: str
    reason: str
    names: tuple[str, ...]
    count: int

    @property
    def sentence(self) -> str:
        of = f" of {len(self.names)} units" if self.what == "spikes" else ""
        return f"Left out {self.count:,} {self.what}{of}, {self.reason}: {listed(self.names)}."


def keep_only(session: Session, trials: Wanted, units: Wanted) -> tuple[Session, tuple[Dropped, ...]]:
    """The session of the trials and units whose columns have the wanted values, and what is left out.

    Args:
        session: as it was stored.
        trials, units: by column of the trials, and of the units, the value that counts, several of them, or a
            comparison in words, such as ">= 3" or "!= bad".

    Raises:
        PreparationError: if there is no such column, it has a list in every row, or nothing is left.

    Example:
        >>> trials = {"start_time": np.arange(3), "stop_time": np.arange(3) + 1.0, "result": np.array(["R", "F", "R"])}
        >>> kept, (left_out,) = keep_only(Session((), (), trials=trials), {"result": "R"}, {})
        >>> kept.n_trials, left_out.sentence
        (2, 'Left out 1 trials, result is not R: 1.')
    """
    dropped = []
    if trials:
        for name in trials:
            check_column(session, name, "a column to keep trials by")
        named = session.trials | {"id": session.trials.get("id", np.arange(session.n_trials))}
        chosen = _chosen("trials", trials, session.trials, trial_names(session), dropped, session.source)
        session = dataclasses.replace(session, trials={name: column[chosen] for name, column in named.items()})
    if units:
        for name in units:
            if name not in session.unit_columns:
                have = f"there are {listed(session.unit_columns, 20) or 'none'}"
                found = f"a column to keep units by is {name!r}, and the units have no such column"
                raise PreparationError(found, have, session.source)
        chosen = _chosen("units", units, session.unit_columns, np.array(session.units, str), dropped, session.source)
        session = dataclasses.replace(
            session, spikes=tuple(session.spikes[i] for i in chosen), units=tuple(session.units[i] for i in chosen),
            observed=None if session.observed is None else tuple(session.observed[i] for i in chosen),
            unit_columns={name: column[chosen] for name, column in session.unit_columns.items()},
        )  # fmt: skip
    return session, tuple(dropped)


def checked_wanted(wanted: Wanted, name: str) -> dict[str, object]:
    """The same with lists as tuples; ValueError if a value is no text, number or truth."""
    made = {}
    for column, value in wanted.items():
        several = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        if not all(isinstance(each, (str, bool, int, float)) and each == each for each in several):
            raise ValueError(
                f"{name}.{column} is {value!r}; expected text, a number, true or false, or a list of these."
            )
        made[column] = several if isinstance(value, (list, tuple)) else value
    return made


def outcomes(columns: Mapping[str, np.ndarray], pattern: str = OUTCOMES) -> Iterator[tuple[str, dict[str, int]]]:
    """Columns that are called like outcomes and have several values, each with its number of rows, the most first."""
    for name, column in columns.items():
        if column.ndim == 1 and column.dtype.kind in "biufU" and is_called(pattern, name):
            texts = np.array(_texts(column), str)
            values, counts = np.unique(texts[texts != ""], return_counts=True)
            if 1 < len(values) <= MOST_OUTCOMES:
                order = np.argsort(-counts, kind="stable")
                yield name, {str(values[i]): int(counts[i]) for i in order}


def _chosen(what: str, wanted: Wanted, columns, names: np.ndarray, dropped: list[Dropped], source: str) -> np.ndarray:
    """Places of the rows that are wanted; those that are not are added to what is dropped."""
    left = np.arange(len(names))
    for column, values in wanted.items():
        several = values if isinstance(values, (tuple, list)) else (values,)
        found = columns[column]
        if found.ndim != 1 or found.dtype == object:
            raise PreparationError(f"column {column} has a list in every row", f"keep {what} by another", source)
        is_wanted = np.zeros(len(found), bool)
        for value in several:
            is_wanted |= _matches(found, value)
        is_wanted = is_wanted[left]
        if not is_wanted.all():
            out, told = names[left[~is_wanted]].tolist(), " or ".join(map(_text, several))
            dropped.append(Dropped(what, f"{column} is not {told}", tuple(out), len(out)))
        left = left[is_wanted]
        if not len(left):
            have = listed(dict.fromkeys(_texts(found)), 8)
            found = f"no {what} are left ({dropped[-1].reason} in any of {len(names)})"
            raise PreparationError(found, f"{column} has the values {have}", source)
    return left


def _matches(column: np.ndarray, value: object) -> Bool[np.ndarray, " row"]:
    is_number = column.dtype.kind in "biuf"
    if isinstance(value, str) and (found := re.match(r"\s*(>=|<=|>|<|!=)\s*(.*)$", value)):
        compare, other = COMPARISONS[found[1]], found[2].strip()
        try:
            return compare(column.astype(float), float(other)) & np.isfinite(column.astype(float))
        except ValueError:
            return np.array([compare(text, other) for text in _texts(column)], bool)
    if is_number and not isinstance(value, str):
        return column.astype(float) == float(value)  # pyright: ignore[reportArgumentType]
    return np.array([text.lower() == _text(value).lower() for text in _texts(column)], bool)


def _texts(column: np.ndarray) -> list[str]:
    if column.dtype.kind == "f":
        return [f"{value:.9g}" if np.isfinite(value) else "" for value in column.tolist()]
    return list(map(_text, column.tolist()))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.9g}" if isinstance(value, float) else str(value)
