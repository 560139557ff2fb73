"""Cells of a study's grid: networks that share nonlinearity, rate penalty and what the target's input does."""

from collections.abc import Iterable
from typing import NamedTuple

from recirc.figures import rows as select_rows
from recirc.figures.rows import AnyRow, MetricsRow
from recirc.figures.style import label

_TARGET_LINES = {"on": "target stays on", "off_at_go": "target off at go"}


class Cell(NamedTuple):
    """What networks of one cell share: their arm and two keys of the condition, None where there is none."""

    arm: str
    rate_penalty: float | None
    target_line: str | None

    def select(self, rows: Iterable[AnyRow], metric: str, **condition) -> list[AnyRow]:
        """Rows of a metric in this cell whose condition has these values."""
        own = {"rate_penalty": self.rate_penalty, "target_line": self.target_line}
        return select_rows.select(rows, metric, self.arm, **own, **condition)


def cells(rows: Iterable[MetricsRow], *, reference: str = "reference") -> list[Cell]:
    """Cells that the rows are of: by target line and arm in order of appearance, then by rising penalty."""
    rows = [row for row in rows if row.arm != reference]
    names, lines = select_rows.arms(rows), select_rows.levels(rows, "target_line")
    found = {Cell(row.arm, row.condition.get("rate_penalty"), row.condition.get("target_line")) for row in rows}
    return sorted(
        found,
        key=lambda cell: (
            lines.index(cell.target_line) if cell.target_line is not None else -1,
            names.index(cell.arm),
            -1.0 if cell.rate_penalty is None else cell.rate_penalty,
        ),
    )


def target_line_name(target_line: str | None) -> str:
    """What the target's input does, in words; nothing if that is not said."""
    return "" if target_line is None else _TARGET_LINES.get(target_line, label(target_line))


def group_name(cell: Cell) -> str:
    """Nonlinearity and target line of a cell, in words."""
    return ", ".join(filter(None, (label(cell.arm), target_line_name(cell.target_line))))


def penalty_name(cell: Cell) -> str:
    """Rate penalty of a cell in print; a dash if it has none."""
    return "–" if cell.rate_penalty is None else f"{cell.rate_penalty:g}"
