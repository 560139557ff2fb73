"""Cells of a study: networks that share arm, rate penalty, and how often their target went off in training."""

from typing import NamedTuple

import pandas as pd

from recirc.analyses.table import NO_NUMBER, levels_of, networks, select
from recirc.figures.labels import label, percent, shorten


class Cell(NamedTuple):
    """What networks of one cell share: their arm and two keys of the condition, None where there is none."""

    arm: str
    rate_penalty: float | None
    target_off_share: float | None

    def select(self, table: pd.DataFrame, metric: str | None = None, **condition) -> pd.DataFrame:
        """The networks of this cell, with this metric and condition."""
        return networks(select(table, metric, **self._asdict(), **condition))

    @property
    def group(self) -> str:
        """Nonlinearity, and what the target's input does, in words."""
        return self.named()

    def named(self, most: int = 99) -> str:
        """`group` in at most so many letters, for which the middle of the arm's name is left out."""
        rest = f", {self.shown}" if self.shown else ""
        return shorten(label(self.arm), max(most - len(rest), 8)) + rest

    @property
    def shown(self) -> str:
        """What the target's input did in training, in words."""
        share = self.target_off_share
        return "" if share is None else f"target off at go in {percent(share)}"

    @property
    def penalty(self) -> str:
        """Rate penalty in print; a dash if there is none."""
        return NO_NUMBER if self.rate_penalty is None else f"{self.rate_penalty:g}"


def cells(table: pd.DataFrame, *, reference: str = "reference", published: str = "published") -> list[Cell]:
    """Cells that the rows are of: by how often the target went off, arm in order of appearance, and rising penalty."""
    table = (
        table[~table["arm"].isin([reference, published])]
        .reindex(columns=["arm", "rate_penalty", "target_off_share"])
        .astype(object)
    )
    found = [Cell(*entry) for entry in table.where(table.notna(), None).drop_duplicates().itertuples(index=False)]
    arms, lines = list(table["arm"].unique()), [None, *levels_of(table, "target_off_share")]
    penalty = lambda cell: -1 if cell.rate_penalty is None else cell.rate_penalty  # noqa: E731
    return sorted(found, key=lambda cell: (lines.index(cell.target_off_share), arms.index(cell.arm), penalty(cell)))
