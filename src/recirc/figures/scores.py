"""Every cell of a study at a glance: its scores against the interval of a reference."""

import dataclasses
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from recirc.analyses.table import levels_of, median, networks, select
from recirc.figures.cells import Cell, cells
from recirc.figures.layout import WIDTH, page_width
from recirc.figures.style import FAINT, INK, MUTED, color, label, panels, shorten, styled

# Told apart by lightness too, and "outside" by its arrow.
INSIDE, OUTSIDE = "#a9d0ea", "#fdebdc"
_LABELS, _LINE, _HEADING, _GAP, _EXPLAINED, _BELOW = 1.28, 0.27, 0.24, 0.07, 0.34, 0.14  # inches


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column of `score_grid` shows.

    Args:
        metric: its name.
        condition: what rows must hold to leave one per network; None for a key that they must not have.
        name: what stands above; the metric's usual name if empty.
        goal: least value that networks were trained to reach, if they were.

    Example:
        >>> Column("output_r2", {"set": "test"}, goal=0.95).goal
        0.95
    """

    metric: str
    condition: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    name: str = ""
    goal: float | None = None


@styled
def score_grid(
    table: pd.DataFrame,
    columns: Mapping[str, Sequence[Column]],
    *,
    reference: str = "reference",
    published: str = "published",
) -> Figure:
    """Medians over networks as numbers, networks as dots below; a line per cell, the reference on top.

    The field of a cell is dark if its median lies inside the reference's interval, pale with an arrow if above or below
    it, and white if the reference has none. The bar below a number is the interval; all of a column share its scale, on
    which values beyond the middle 90 % stand at the edge. Networks that missed a goal are counted beside the line.

    Args:
        table: of an analysis, with conditions "rate_penalty", "target_off_share", "seed" and what the columns ask for.
        columns: heading -> columns under it.
        reference: the arm whose value and interval the others are held against.
        published: an arm of values from elsewhere, in a line of its own under the reference if there are any.

    Raises:
        ValueError: if a column finds several rows of one network.

    Example:
        >>> import numpy as np
        >>> random, rows = np.random.default_rng(0), []
        >>> for metric, value in (("jpca_ratio", 0.8), ("procrustes_angle", 0.7)):
        ...     ends = (value - 0.1, value + 0.1)
        ...     rows.append(recirc.analyses.Row(metric, "population", "reference", value, ci=ends))
        ...     for arm in ("tanh", "relu"):
        ...         for seed in range(4):
        ...             where = {"rate_penalty": 0.0, "target_off_share": 0.0, "seed": seed}
        ...             found = value + 0.2 * random.normal()
        ...             rows.append(recirc.analyses.Row(metric, "population", arm, found, condition=where))
        >>> columns = {"population": [recirc.figures.Column("jpca_ratio"), recirc.figures.Column("procrustes_angle")]}
        >>> figure = recirc.figures.score_grid(recirc.analyses.frame(rows), columns)
    """
    here = cells(table, reference=reference)
    parts = [_Part.of(columns, table, here, reference, published) for columns in _beside(columns)]
    heights = [part.height for part in parts]
    heights[:-1] = [height + _BELOW for height in heights[:-1]]
    heights[-1] += _EXPLAINED if page_width() == WIDTH else 2.2 * _EXPLAINED
    figure, grid = panels(len(parts), 1, height=sum(heights), height_ratios=heights)
    for axes, part, height in zip(grid[:, 0], parts, heights):
        axes.set(xlim=(0, page_width() - 0.06), ylim=(height - 0.06, 0))
        axes.axis("off")
        _draw(axes, part, table, here)
    _explain(grid[-1, 0], parts[-1].height + 0.2)
    return figure


def _beside(columns: Mapping[str, Sequence[Column]]) -> list[dict[str, list[Column]]]:
    """Columns that stand beside each other, by heading: all; in one column of a page as many as keep their width."""
    if page_width() == WIDTH:
        return [{heading: list(group) for heading, group in columns.items()}]
    width = np.clip((WIDTH - _LABELS) / max(sum(map(len, columns.values())), 1), 0.3, 0.7)
    n_fit, parts = int((page_width() - _LABELS) / width), [{}]
    for heading, group in columns.items():
        for i, column in enumerate(group):
            room = n_fit - sum(map(len, parts[-1].values()))
            if room < 1 or (room == 1 and i == 0 and len(group) > 1):  # a heading is wider than one column
                parts.append({})
            parts[-1].setdefault(heading, []).append(column)
    return parts


class _Part(NamedTuple):
    """Columns that stand beside each other, with what they show and how much room they take."""

    columns: Mapping[str, Sequence[Column]]
    flat: list[Column]
    values: list[list[pd.Series]]  # of every cell, by column
    lines: dict[str, list[tuple]]  # the reference's values and intervals by column, and those that were published
    width: float
    names: list[str]
    turned: bool
    top: float
    height: float

    @classmethod
    def of(cls, columns, table: pd.DataFrame, here: Sequence[Cell], reference: str, published: str) -> "_Part":
        flat = [column for group in columns.values() for column in group]
        values = [[_by_seed(cell.select(table, c.metric, **c.condition), c) for c in flat] for cell in here]
        lines = {}
        for arm in (reference, published):
            found = [networks(select(table, c.metric, arm, **c.condition)) for c in flat]
            if arm == reference or any(map(len, found)):
                lines[arm] = [tuple(own[["value", "low", "high"]].median()) for own in found]
        width = (page_width() - 0.1 - _LABELS - _GAP * (len(columns) - 1)) / max(len(flat), 1)
        names, turned, high = _names(flat, width)
        top, n_groups = 0.36 + high, len({cell.group for cell in here})
        height = top + _LINE * (len(here) + len(lines)) + _HEADING * n_groups
        return cls(columns, flat, values, lines, width, names, turned, top, height)


def _draw(axes, part: _Part, table: pd.DataFrame, here: Sequence[Cell]) -> None:
    width, top, wanted = part.width, part.top, next(iter(part.lines.values()))
    left = _columns(axes, part.columns, part.names, width, top, part.turned)
    scales = [_scale([line[i] for line in part.values], wanted[i]) for i in range(len(part.flat))]
    for i, (name, bounds_of) in enumerate(part.lines.items()):
        axes.text(0.02, top + _LINE * (i + 0.5), label(name), va="center", weight="bold")
        for x, bounds, scale in zip(left, bounds_of, scales):
            _reference_field(axes, (x, top + _LINE * i, width), bounds, scale)
    y, group = top + _LINE * len(part.lines), None
    for cell, line in zip(here, part.values):
        if cell.group != group:
            group = cell.group
            name = cell.named(int(12.5 * page_width()))  # letters that fit
            axes.text(0.02, y + 0.62 * _HEADING, name, va="center", color=color(cell.arm), weight="bold")
            y += _HEADING
        axes.text(0.12, y + _LINE / 2, cell.penalty, va="center")
        missed = _missed(table, cell, part.flat, line)
        axes.text(_LABELS - 0.1, y + _LINE / 2, missed, va="center", ha="right", fontsize=6.5)
        for x, found, bounds, scale in zip(left, line, wanted, scales):
            _field(axes, (x, y, width), found, bounds, scale, color(cell.arm))
        y += _LINE


def _by_seed(own: pd.DataFrame, column: Column) -> pd.Series:
    found = own.reindex(columns=["seed", "value"]).set_index("seed")["value"]
    if found.index.has_duplicates:
        several = f"{len(found)} rows of {found.index.nunique(dropna=False)} networks in a cell"
        wanted = "say in its condition which one per network, such as {'set': 'train'}."
        raise ValueError(f"column {column.metric!r} finds {several}; {wanted}")
    return found


def _missed(table: pd.DataFrame, cell: Cell, columns: Sequence[Column], line: list[pd.Series]) -> str:
    """How many networks are under a goal that their arm was judged by, and of how many."""
    seeds = levels_of(cell.select(table), "seed")
    judged = [i for i, c in enumerate(columns) if c.goal is not None and len(select(table, c.metric, cell.arm))]
    missed = {seed for i in judged for seed in seeds if not line[i].get(seed, np.nan) >= columns[i].goal}
    return f"× {len(missed)} of {len(seeds)}" if missed else ""


def _scale(lines: Sequence[pd.Series], bounds: tuple[float, float, float]) -> tuple[float, float, int]:
    """Low and high end of a column's scale, and decimals of its numbers."""
    found = [value for line in lines for value in line.dropna()]
    ends = [*np.percentile(found, (5, 95)), *bounds] if len(found) else bounds
    ends = [end for end in ends if np.isfinite(end)] or [0.0]
    low, high = min(ends), max(ends)
    largest = max(abs(low), abs(high))
    return low, high if high > low else low + 1.0, 2 if largest < 9.995 else 1 if largest < 99.95 else 0


def _names(columns: Sequence[Column], width: float) -> tuple[list[str], bool, float]:
    """What stands above the columns, whether it is turned as a word is wider than a column, and the inches it needs."""
    names = [column.name or label(column.metric) for column in columns]
    n_letters = int(width / 0.062)
    turned = any(len(word) > n_letters for name in names for word in name.split())
    wrapped = [textwrap.wrap(name, 20 if turned else n_letters) for name in names]
    longest = max((len(line) for lines in wrapped for line in lines), default=0)
    height = 0.055 * longest if turned else 0.11 * max(map(len, wrapped), default=0)
    return ["\n".join(lines) for lines in wrapped], turned, height


def _columns(axes, columns, names: list[str], width: float, top: float, turned: bool) -> list[float]:
    """Draw headings and return the left edge of every column."""
    left, x = [], _LABELS
    for heading, group in zip(_headings(columns, width), columns.values()):
        own = [x + i * width for i in range(len(group))]
        end = x + len(group) * width
        axes.text((x + end) / 2, 0.09, heading, ha="center", va="center", weight="bold")
        axes.plot([x + 0.03, end - 0.03], [0.2, 0.2], color=MUTED, linewidth=0.6)
        left, x = left + own, end + _GAP
    for at, name in zip(left, names):
        look = {"va": "bottom", "ha": "center", "rotation": 90 if turned else 0, "linespacing": 1.15}
        axes.text(at + width / 2, top - 0.06, name, fontsize=6.5, **look)
    axes.text(0.02, top - 0.06, label("rate_penalty"), fontsize=6.5, va="bottom", color=MUTED)
    return left


def _headings(columns: Mapping[str, Sequence[Column]], width: float) -> list[str]:
    """What stands above groups of columns, shortened where it would run into a neighbor or off the page."""
    letter, spans, names = 0.07, [len(group) * width for group in columns.values()], [label(name) for name in columns]
    beyond = [-np.inf, *((letter * len(name) - span) / 2 for name, span in zip(names, spans)), 0.0]
    return [
        shorten(name, max(int(span / letter), 3)) if own > 0 and own + max(before, after) > _GAP else name
        for name, span, before, own, after in zip(names, spans, beyond, beyond[1:], beyond[2:])
    ]


def _field(axes, place, found: pd.Series, bounds, scale, tone: str) -> None:
    x, y, width = place
    middle, (_, low, high) = median(found), bounds
    arrow, fill = "", "white"
    if np.isfinite([middle, low, high]).all():
        arrow = "▲" if middle > high else "▼" if middle < low else ""
        fill = OUTSIDE if arrow else INSIDE
    look = {"facecolor": fill, "edgecolor": FAINT, "linewidth": 0.4}
    axes.add_patch(Rectangle((x + 0.012, y + 0.012), width - 0.024, _LINE - 0.024, **look))
    beside_arrow = x + (width - 0.06) / 2 if width < 0.5 else x + width / 2
    axes.text(beside_arrow, y + 0.1, _number(middle, scale), ha="center", va="center")
    axes.text(x + width - 0.025, y + 0.1, arrow, ha="right", va="center", fontsize=5)
    if np.isfinite([low, high]).all():
        ends = _along(np.array([low, high]), place, scale)
        axes.plot(ends, [y + 0.205] * 2, color=INK, alpha=0.2, linewidth=3.2, solid_capstyle="butt")
    dots = _along(found.dropna().to_numpy(), place, scale)
    axes.plot(dots, np.full(len(dots), y + 0.205), "o", color=tone, markersize=2.3, markeredgewidth=0, alpha=0.95)


def _reference_field(axes, place, bounds, scale) -> None:
    (x, y, width), (value, low, high) = place, bounds
    if np.isfinite(value):
        axes.text(x + width / 2, y + 0.08, _number(value, scale), ha="center", va="center", weight="bold")
    if np.isfinite([value, low, high]).all() and high > low:
        text, most = f"{_number(low, scale)}–{_number(high, scale)}", width / 0.043  # letters that fit
        text = text if len(text) < most else re.sub(r"\b0\.", ".", text)
        size = 5.2 * min(1, most / len(text))
        axes.text(x + width / 2, y + 0.2, text, ha="center", va="center", fontsize=size, color=MUTED)


def _along(values: np.ndarray, place, scale) -> np.ndarray:
    x, _, width = place
    low, high, _ = scale
    return x + 0.05 + (width - 0.1) * np.clip((values - low) / (high - low), 0, 1)


def _number(value: float, scale) -> str:
    value = round(value, scale[2]) + 0.0  # no -0.00
    return f"{value:.{scale[2]}f}".replace("-", "\N{MINUS SIGN}") if np.isfinite(value) else "–"


def _explain(axes, y: float) -> None:
    x, fills = 0.02, {"median inside the reference's interval": INSIDE, "▲ above it, ▼ below it": OUTSIDE}
    for text in (*fills, "dots: networks; bar: interval", "× networks under their goal"):
        if fill := fills.get(text):
            axes.add_patch(Rectangle((x, y - 0.05), 0.16, 0.1, facecolor=fill, edgecolor=MUTED, linewidth=0.4))
            x += 0.21
        axes.text(x, y, text, va="center", fontsize=6.5, color=MUTED)
        x += 0.0475 * len(text) + 0.2
        if x > page_width() - 1:
            x, y = 0.02, y + 0.17
