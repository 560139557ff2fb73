"""Cells of a study's grid: networks that share nonlinearity, rate penalty and what the target's input does."""

from typing import NamedTuple

import pandas as pd

from recirc.analyses.table import levels_of, networks, select
from recirc.figures.style import label

_TARGET_LINES = {"on": "target stays on", "off_at_go": "target off at go"}


class Cell(NamedTuple):
    """What networks of one cell share: their arm and two keys of the condition, None where there is none."""

    arm: str
    rate_penalty: float | None
    target_line: str | None

    def select(self, table: pd.DataFrame, metric: str | None = None, **condition) -> pd.DataFrame:
        """The networks of this cell, with this metric and condition."""
        return networks(select(table, metric, **self._asdict(), **condition))


def cells(table: pd.DataFrame, *, reference: str = "reference") -> list[Cell]:
    """Cells that the rows are of: by target line and arm in order of appearance, then by rising penalty."""
    table = table[table["arm"] != reference]
    arms, lines = list(table["arm"].unique()), [None, *levels_of(table, "target_line")]
    found = table.reindex(columns=list(Cell._fields)).astype(object)
    found = found.where(found.notna(), None).drop_duplicates().itertuples(index=False, name=None)
    return sorted(
        (Cell(*entry) for entry in found),
        key=lambda cell: (
            lines.index(cell.target_line), arms.index(cell.arm), -1 if cell.rate_penalty is None else cell.rate_penalty
        ),
    )  # fmt: skip


def target_line_name(target_line: str | None) -> str:
    """What the target's input does, in words; nothing if that is not said."""
    return "" if target_line is None else _TARGET_LINES.get(target_line, label(target_line))


def group_name(cell: Cell) -> str:
    """Nonlinearity and target line of a cell, in words."""
    return ", ".join(filter(None, (label(cell.arm), target_line_name(cell.target_line))))


def penalty_name(cell: Cell) -> str:
    """Rate penalty of a cell in print; a dash if it has none."""
    return "–" if cell.rate_penalty is None else f"{cell.rate_penalty:g}"
