"""One look for every figure: type, colors, labels, and how a figure is saved."""

import functools
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from recirc.figures.labels import label as label
from recirc.figures.labels import shorten as shorten
from recirc.figures.layout import WIDTH, repeat_labels
from recirc.figures.layout import panels as panels
from recirc.storage import printable, write_atomic

INK, MUTED, FAINT = "#1f1f1f", "#6b6b6b", "#d4d4d4"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_ARM_COLORS = {
    **dict.fromkeys(("hints", "network", "tanh"), "#0072b2"),
    **dict.fromkeys(("no_hints", "gp", "relu"), "#d55e00"),
    **dict.fromkeys(("force", "direct_map"), "#009e73"),
    **dict.fromkeys(("untrained", "condition_mean", "untrained_tanh", "untrained_relu"), "#8c8c8c"),
    **dict.fromkeys(("ensemble", "reference"), INK),
    **dict.fromkeys(("embedder", "bptt_hints"), "#56b4e9"),
    "bptt": "#e69f00",
    "relu_dale": "#009e73",
    "cosine_tuning": "#e69f00",
    "gp_coupled": "#cc79a7",
}
_TICKS = {"labelsize": 7, "color": MUTED, "labelcolor": INK, "major.size": 2.5, "major.width": 0.6}
_TITLES = {"titlesize": 7.5, "titlelocation": "left", "titlepad": 4}
_LOOK = {
    "font": {"family": "DejaVu Sans", "size": 7.5},
    "text": {"color": INK, "parse_math": False},  # a unit may be called "$x"
    "axes": {**_TITLES, "labelcolor": INK, "edgecolor": MUTED, "linewidth": 0.6},
    "axes.spines": {"top": False, "right": False},
    "xtick": _TICKS,
    "ytick": _TICKS,
    "legend": {"frameon": False, "handlelength": 1.4, "handletextpad": 0.5, "columnspacing": 1.6},
    "lines": {"linewidth": 1.1, "solid_capstyle": "round"},
    "figure": {"facecolor": "white", "labelsize": 7.5},
    "svg": {"fonttype": "none", "hashsalt": "recirc"},
}
_RC: Any = {f"{part}.{name}": value for part, look in _LOOK.items() for name, value in look.items()}
# Four colors of the Okabe-Ito palette in a ring: neighbors blend, opposites stay distinct for everyone.
_RING = LinearSegmentedColormap.from_list("ring", ["#0072b2", "#cc79a7", "#e69f00", "#009e73", "#0072b2"])


class NothingToDraw(ValueError):
    """The result lacks what the figure shows.

    Example:
        >>> try:
        ...     recirc.figures.array_of(recirc.analyses.AnalysisResult("fit", ()), "prediction")
        ... except NothingToDraw as error:
        ...     print(error)
        the result of fit holds no 'prediction' to draw.
    """


def _settings():
    return mpl.rc_context({**mpl.rcParamsDefault, **_RC, "backend": mpl.rcParams["backend"]})


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Make a drawing function use this style, whatever the user's own settings are."""

    @functools.wraps(draw)
    def drawn(*args, **kwargs) -> Figure:
        with _settings():
            figure = draw(*args, **kwargs)
            repeat_labels(figure)
            has_fixed_shape = any(axes.get_aspect() != "auto" for axes in figure.axes)
            for _ in range(1 + has_fixed_shape):  # panels of a fixed shape settle on the second pass
                figure.get_layout_engine().execute(figure)  # pyright: ignore[reportOptionalMemberAccess]
            figure.set_layout_engine("none")
            for spread in getattr(figure, "_recirc_labels", ()):
                spread()
            return figure

    return drawn


def cross(axes: Axes) -> None:
    """Thin lines through the origin, behind everything."""
    axes.axhline(0, color=FAINT, linewidth=0.5, zorder=0)
    axes.axvline(0, color=FAINT, linewidth=0.5, zorder=0)


def bare(axes: Axes, **settings) -> None:
    """Make equal axes without ticks and frame, with further settings."""
    axes.set(xticks=[], yticks=[], aspect="equal", **settings)
    axes.spines[["left", "bottom"]].set_visible(False)


def color(name: str) -> str:
    """Color of an arm or baseline, the same in every figure."""
    return _ARM_COLORS.get(name) or PALETTE[crc32(name.encode()) % len(PALETTE)]


def directions_of(conditions: Iterable) -> np.ndarray | None:
    """Directions in degrees, from labels such as "45"; None if they are no angles, or make no plausible circle."""
    from recirc.data.directions import condition_angles, no_circle  # loads readers of files

    found = condition_angles(list(conditions))
    return None if found is None or no_circle(np.unique(found)) else found


def angles(conditions: Iterable) -> np.ndarray:
    """Where conditions are on the ring of colors, in degrees: their directions, or equal steps."""
    found = directions_of(labels := list(conditions))
    return 360 * np.arange(len(labels)) / max(len(labels), 1) if found is None else found


def heading(conditions: Iterable) -> list[str]:
    """What conditions are called: directions with a degree sign, numbers shortly, names as they are."""
    labels = list(conditions)
    sign = "" if directions_of(labels) is None else "°"
    return [f"{float(each):.4g}{sign}" if _is_number(each) else str(each) for each in labels]


def _is_number(condition) -> bool:
    try:
        return bool(np.isfinite(float(condition)))
    except ValueError:
        return False


def direction_color(angle: float) -> str:
    """Color of a direction in degrees, around a ring."""
    return to_hex(_RING((float(angle) % 360) / 360))


def direction_wheel(axes: Axes | np.ndarray, conditions: Iterable, note: str = "") -> None:
    """Put in the place of empty axes, or of a column of them, a wheel that shows which color is which direction.

    Conditions that are no directions are listed in their colors, evenly chosen if there is no room for all.
    """
    column = np.atleast_1d(np.asarray(axes, object))
    places, figure = [each.get_subplotspec() for each in column], column[0].figure
    place = places[0].get_gridspec()[places[0].rowspan.start : places[-1].rowspan.stop, places[0].colspan.start]
    for each in column:
        each.remove()
    wheel = figure.add_subplot(place)  # pyright: ignore[reportCallIssue, reportArgumentType]
    wheel.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal")
    wheel.axis("off")
    labels = list(conditions)
    on_ring, names, is_circle = angles(labels), heading(labels), directions_of(labels) is not None
    for angle in on_ring if is_circle else ():
        tip = [np.cos(np.radians(angle)), np.sin(np.radians(angle))]
        wheel.plot(*np.outer(tip, [0.3, 1.25]), color=direction_color(angle), linewidth=2)
    size = min(wheel.get_position().size * figure.get_size_inches())
    n_listed = 0 if is_circle or not labels else int(np.clip(size / 0.11, 3, 12))  # inches a line
    listed = np.unique(np.linspace(0, len(labels) - 1, n_listed).round().astype(int))
    for row, i in enumerate(listed):
        look = {"color": direction_color(float(on_ring[i])), "fontsize": 6, "ha": "center", "va": "center"}
        wheel.text(0, 1.35 - 2.7 * row / max(len(listed) - 1, 1), shorten(names[i], 14), **look)
    name = "direction" if is_circle or not labels else "condition"
    wheel.text(0, -1.6, f"{name}\n{note}".strip(), ha="center", va="top", fontsize=7, linespacing=1.5)


def time_label(values) -> str:
    """Axis label of the time coordinate of a labelled array."""
    return f"time ({values['time'].attrs.get('units', 's')})"


def log_scale(axes: Axes, along: str = "y") -> None:
    """Make an axis, "x" or "y", logarithmic, with plain numbers: powers of ten; 2 and 5 where there is room."""
    axes.set(**{f"{along}scale": "log"})
    axis, (low, high) = getattr(axes, f"{along}axis"), getattr(axes, f"get_{along}lim")()
    between = (2, 5) if high < 300 * low else ()
    is_shown = lambda value: round(value / 10 ** np.floor(np.log10(value))) in between  # noqa: E731
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(lambda value, _: f"{value:g}" if is_shown(value) else "")


def key(figure: Figure, entries: Sequence[tuple[str, dict]]) -> None:
    """A legend above the panels; an entry is a text and the properties of its line or marker."""
    letters = [len(text) + 6 for text, _ in entries]
    wide = lambda n: sum(max(column, default=0) for column in np.array_split(letters, n))  # noqa: E731
    fitting = (n for n in range(len(entries), 1, -1) if wide(n) <= int(112 * figure.get_figwidth() / WIDTH))
    figure.legend(
        [Line2D([], [], **look) for _, look in entries], [text for text, _ in entries], loc="outside upper left",
        ncols=next(fitting, 1), labelcolor=[look["color"] for _, look in entries], borderaxespad=0.1,
    )  # fmt: skip


def label_ends(axes: Axes, entries: Sequence[tuple[float, str, str]]) -> None:
    """Write labels right of the axes at heights in data units, moved apart where they would overlap.

    Args:
        axes: where the lines end.
        entries: (height, text, color) of each.
    """
    entries = sorted((entry for entry in entries if np.isfinite(entry[0])), key=lambda entry: entry[0])
    look = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center", "fontsize": 7}
    texts = [axes.annotate(text, (1.0, y), (5, 0), color=c, annotation_clip=False, **look) for y, text, c in entries]
    figure = axes.figure

    def spread() -> None:
        points = 72 / figure.dpi
        heights = [axes.transData.transform((0, y))[1] * points for y, _, _ in entries]
        top = figure.bbox.height * points - 5  # half a line below the edge
        for text, height, moved in zip(texts, heights, _apart(heights, 8.5, 5, top)):
            text.xyann = (5, moved - height)

    figure.__dict__.setdefault("_recirc_labels", []).append(spread)


def _apart(heights: Sequence[float], gap: float, bottom: float = -np.inf, top: float = np.inf) -> np.ndarray:
    """Sorted heights moved as little as possible (least squares) until neighbors are `gap` apart, between two ends."""
    from sklearn.isotonic import isotonic_regression

    if not len(heights):
        return np.zeros(0)
    steps = gap * np.arange(len(heights))
    moved = isotonic_regression(np.asarray(heights, float) - steps)
    return np.clip(moved, bottom, max(bottom, top - steps[-1])) + steps


def render(figure: Figure, title: str = "") -> dict[str, bytes]:
    """A figure as "svg", in which text stays text, and "png"; equal figures give equal bytes.

    Example:
        >>> import numpy as np
        >>> sorted(render(recirc.figures.eigenvalues({"hints": np.eye(3)})))
        ['png', 'svg']
    """
    about = {"svg": {"Date": None} | ({"Title": printable(title)} if title else {}), "png": {"Software": None}}
    data = {}
    with _settings():
        for suffix, metadata in about.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, dpi=200, metadata=metadata)
            data[suffix] = buffer.getvalue()
    # Layout is measured in DejaVu Sans, which comes with Matplotlib; narrower faces fit wherever it fits.
    faces = b"Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
    data["svg"] = data["svg"].replace(b"'DejaVu Sans'", faces)
    return data


def save(figure: Figure, folder: str | Path, name: str, title: str = "") -> Path:
    """Write `folder/name.svg` and `folder/name.png`, each whole or not at all.

    Args:
        figure: any figure.
        folder: usually the `figures` folder of a run; made if it does not exist.
        name: letters, digits, "_" and "-".
        title: stored in the SVG.

    Returns:
        Path of the SVG.

    Raises:
        ValueError: if `name` has other characters.
        StorageError: if a file cannot be written.

    Example:
        >>> import numpy as np
        >>> save(recirc.figures.eigenvalues({"hints": np.eye(3)}), "figures", "spectrum").name
        'spectrum.svg'
    """
    if not name or not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
        raise ValueError(f"a figure is called {name!r}; use letters, digits, '_' and '-' only.")
    for suffix, data in render(figure, title).items():
        write_atomic(Path(folder) / f"{name}.{suffix}", data)
    return Path(folder) / f"{name}.svg"
