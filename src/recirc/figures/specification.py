"""An effect under every combination of choices, and which choices decide it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from recirc.figures.labels import label
from recirc.figures.layout import WIDTH, page_width
from recirc.figures.style import FAINT, INK, MUTED, PALETTE, log_scale, panels, styled

_LINE = 0.27  # inches of a line of dots


@styled
def specification_curve(
    effects: Float[np.ndarray, " combination"],
    counts: Bool[np.ndarray, " combination"],
    choices: Sequence[Mapping[str, Any]],
    shares: Mapping[str, float],
    *, name: str = "error without hints\nover that with hints",
) -> Figure:  # fmt: skip
    """Effects, sorted, as ratios; below, a dot for each choice of each combination, higher the larger it is.

    Numbers that span more than a factor of five stand by their logarithm; words from below in the order of the label.

    Args:
        effects: ratios, 1 for none.
        counts: whether a combination counts; others are gray.
        choices: of every combination, by name: numbers, words or truth values.
        shares: partial R² of every choice, which stands beside its line.
        name: of the effect.

    Example:
        >>> import numpy as np
        >>> choices = [{"drive": drive, "penalty": penalty, "inputs": word}
        ...            for drive in (0.1, 0.2, 0.4) for penalty in (0.1, 1.0) for word in ("pulse", "throughout")]
        >>> effects = np.array([10 * each["drive"] * (1.3 if each["inputs"] == "pulse" else 0.8) for each in choices])
        >>> shares = {"drive": 0.8, "penalty": 0.0, "inputs": 0.2}
        >>> figure = recirc.figures.specification_curve(effects, effects > 0.9, choices, shares)
    """
    order = np.lexsort((effects, ~counts))
    x, tones = np.arange(len(order)), np.where(counts[order], PALETTE[0], "#b5b5b5")
    figure, grid = panels(
        1 + len(shares), 1, height=1.9 + _LINE * len(shares), sharex=True, height_ratios=[1.6, *[_LINE] * len(shares)]
    )
    top = grid[0, 0]
    top.axhline(1, color=INK, linewidth=0.6)
    top.scatter(x, effects[order], c=tones, s=12, linewidths=0)
    top.set(ylabel=name, xticks=[])
    log_scale(top)
    top.text(1.01, 0.0, "partial R²", transform=top.transAxes, va="bottom", fontsize=7, color=MUTED)
    for axes, (choice, share) in zip(grid[1:, 0], shares.items()):
        values = [choices[i][choice] for i in order]
        is_number = not isinstance(values[0], (str, bool))
        levels = [min(values), max(values)] if is_number else sorted(set(values))
        heights = np.array(values, float) if is_number else np.array([float(levels.index(value)) for value in values])
        if is_number and heights.min() > 0 and heights.max() > 5 * heights.min():
            heights = np.log(heights)
        spread = max(float(np.ptp(heights)), 1e-12)
        axes.scatter(x, (heights - heights.min()) / spread, c=tones, s=5, linewidths=0)
        axes.set(ylim=(-0.25, 1.25), xticks=[], yticks=[])
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.axhline(-0.25, color=FAINT, linewidth=0.5)
        said = f"{levels[0]:.3g} to {levels[-1]:.3g}" if is_number else ", ".join(label(str(each)) for each in levels)
        axes.set_ylabel(f"{label(choice)} ({said})", rotation=0, ha="right", va="center", fontsize=7)
        axes.text(1.01, 0.5, f"{share:.2f}", transform=axes.transAxes, va="center", fontsize=7)
    ends = " " if page_width() == WIDTH else "\n"
    figure.supxlabel(f"readings, sorted by effect;{ends}gray at the right: an arm does not do the task")
    return figure
