"""What an analysis came to: one table, its claims, labelled arrays, and a sentence for each verdict."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from recirc.analyses.table import NO_NUMBER, Claim, Row, frame, number
from recirc.notebook import table

VERDICTS = {True: "supported", False: "contradicted", None: "undecided"}


@dataclasses.dataclass(frozen=True)
class AnalysisResult:
    """Everything that claims, figures and reports need, in memory or read back from a run folder.

    Args:
        study: which analysis or study it is of; figures are drawn by it.
        rows: every number.
        claims: what they were held against.
        arrays: labelled arrays behind them, as in `activity.nc`.
        networks: weights of the trained networks, as in `networks.nc`; None if there are none.
        history: one entry per training pass.
        sentences: what is found, by level or topic, in words that the numbers wrote.
        figures: names of what can be drawn, by `recirc.figures.draw`.
        about: whatever else the report says of how it came about (chosen settings, notes); JSON.

    Example:
        >>> result = AnalysisResult("mine", (recirc.analyses.Row("linear_cka", "population", "network", 0.8),))
        >>> result.table[["metric", "value"]].values.tolist()
        [['linear_cka', 0.8]]
    """

    study: str
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...] = ()
    arrays: xr.Dataset = dataclasses.field(default_factory=xr.Dataset)
    networks: xr.Dataset | None = None
    history: Sequence[Mapping[str, Any]] = ()
    sentences: Mapping[str, str] = dataclasses.field(default_factory=dict)
    figures: tuple[str, ...] = ()
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """All rows as a labelled table; see `frame` for its columns."""
        return frame(self.rows)

    def to_xarray(self) -> xr.Dataset:
        """The labelled arrays."""
        return self.arrays

    def claim_lines(self) -> list[str]:
        """A line per claim: verdict, effect, interval, and what was claimed.

        Where several measures say the same sentence, it is a line per verdict, with the measures and their p.

        Example:
            >>> measures = (("linear_cka", True, 0.004), ("cca_mean4", True, 0.01), ("dsa", None, 0.3))
            >>> claims = [recirc.analyses.Claim(f"{name}: the two are alike.", "here", supported, 0.1, p=p, n=8)
            ...           for name, supported, p in measures]
            >>> print(*recirc.analyses.AnalysisResult("compare", (), tuple(claims)).claim_lines(), sep="\\n")
            supported: the two are alike. By linear_cka (p 0.004), cca_mean4 (p 0.01); n = 8.
            undecided: the two are alike. By dsa (p 0.3); n = 8.
        """
        said = [claim.claim.partition(": ")[2] for claim in self.claims]
        groups: dict[tuple, list[Claim]] = {}
        for i, (claim, sentence) in enumerate(zip(self.claims, said)):
            is_shared = sentence and said.count(sentence) > 1
            groups.setdefault((claim.supported, sentence, claim.n) if is_shared else (i,), []).append(claim)
        return [claim_line(group[0]) if len(key) == 1 else _by_measures(group) for key, group in groups.items()]

    def __repr__(self) -> str:
        parts = ", ".join(f"{len(getattr(self, name))} {name}" for name in ("rows", "claims", "figures"))
        return f"<AnalysisResult of {self.study}: {parts}; {' '.join(self.sentences.values()) or 'no sentences'}>"

    def _repr_html_(self) -> str:
        claims = [("claim", line) for line in self.claim_lines()]
        more = ("in .table", f"{len(self.rows)} numbers"), ("figures", ", ".join(self.figures) or "none")
        return table(self.study, [*self.sentences.items(), *claims, *more])


def _by_measures(claims: Sequence[Claim]) -> str:
    """What several measures say of one sentence, each claim being "MEASURE: SENTENCE"."""
    names, sentence = [claim.claim.partition(": ")[0] for claim in claims], claims[0].claim.partition(": ")[2]
    chance = [f"p {claim.p:.2g}" if claim.p == claim.p else "no p that counts" for claim in claims]
    by = ", ".join(f"{name} ({p})" for name, p in zip(names, chance))
    return f"{VERDICTS[claims[0].supported]}: {sentence} By {by}; n = {claims[0].n}."


def claim_line(claim: Claim) -> str:
    """A claim, its verdict, effect, interval and what would decide it in one line of text.

    >>> claim_line(Claim("Hints help.", "here", True, 0.21, (0.1, 0.3), 0.01, 12, 0.05))
    'supported: Hints help. Effect 0.21 (0.1 to 0.3), smallest that matters 0.05, n = 12.'
    >>> claim_line(Claim("Hints help.", "here", None, 0.21, (-np.inf, np.inf), 0.25, 2, 0.05, 30))
    'undecided: Hints help. Effect 0.21, smallest that matters 0.05, n = 2; n = 30 would decide.'
    """
    numbers = ""
    if claim.effect == claim.effect:
        text = lambda value: f"{value:.3g}" if np.isfinite(value) else NO_NUMBER  # noqa: E731
        found, smallest = interval(claim.ci, text), claim.smallest
        numbers = f" Effect {text(claim.effect)}{found and f' ({found})'}"
        numbers += f", smallest that matters {text(smallest)}" if smallest == smallest else ""
        numbers += f", n = {claim.n}{f'; n = {claim.needs} would decide' if claim.needs else ''}."
    text = claim.claim if claim.claim.endswith(".") else f"{claim.claim}."
    return f"{VERDICTS[claim.supported]}: {text}{numbers}"


def interval(ci: Sequence[float], text: Callable[[float], str] = number) -> str:
    """An interval as text, an open end a dash; empty if it has no end."""
    return " to ".join(map(text, ci)) if np.isfinite(ci).any() else ""
