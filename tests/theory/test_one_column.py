"""Figures for one column of a page: as those of a page, but narrow, and every word in its place."""

import contextlib
import doctest
import inspect
import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import recirc
from recirc import figures
from recirc.analyses import Row, frame
from recirc.figures.layout import COLUMN, WIDTH, panels, starts

DRAWN = {
    name: "".join(example.source for example in doctest.DocTestParser().get_examples(str(item.__doc__)))
    for name, item in vars(figures).items()
    if inspect.isfunction(item) and "Figure" in str(inspect.signature(item).return_annotation)
}


def draw(name):
    space = {"recirc": recirc}
    exec(DRAWN[name], space)  # noqa: S102
    return space["figure"]


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_is_drawn_in_one_column_with_its_words_on_the_page(name):
    with figures.one_column():
        figure = draw(name)
    assert figure.get_figwidth() == COLUMN
    figure.draw_without_rendering()
    page = figure.bbox
    axis_pairs = [(axes.xaxis, axes.yaxis) for axes in figure.axes]
    ticks = {label for pair in axis_pairs for axis in pair for label in axis.get_ticklabels(which="both")}
    for text in figure.findobj(Text):
        is_shown = text.get_visible() and text.get_text().strip() and text not in ticks  # some ticks are out of limits
        if is_shown and (text.axes is None or text.axes.axison or text in text.axes.texts):
            box = text.get_window_extent()
            inside = (box.x0 > -1, box.y0 > -1, box.x1 < page.width + 1, box.y1 < page.height + 1)
            assert all(inside), text.get_text()


def shown(figure):
    """Texts of a figure, those at ticks inside the limits too, with their places in pixels."""
    figure.draw_without_rendering()
    pairs = [(axes, axis) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    ticks = {id(label) for _, axis in pairs for label in axis.get_ticklabels(which="both")}
    found = [text for text in figure.findobj(Text) if id(text) not in ticks]
    found = [text for text in found if text.axes is None or text.axes.axison or text in text.axes.texts]
    for axes, axis in pairs:
        low, high = sorted(axis.get_view_interval())
        own = [*axis.get_major_ticks(), *axis.get_minor_ticks()] if axes.axison else []
        found += [tick.label1 for tick in own if low - 1e-9 <= tick.get_loc() <= high + 1e-9]
    return [(text.get_text(), text.get_window_extent()) for text in found
            if text.get_visible() and text.get_text().strip()]  # fmt: skip


def assert_apart(figure):
    """No text off the page, none over another."""
    places, page = shown(figure), figure.bbox
    for i, (text, box) in enumerate(places):
        assert box.x0 > -3, text
        assert box.x1 < page.width + 3, text
        assert box.y0 > -3, text
        assert box.y1 < page.height + 3, text
        for other, place in places[:i]:
            across = min(box.x1, place.x1) - max(box.x0, place.x0)
            along = min(box.y1, place.y1) - max(box.y0, place.y0)
            assert min(across, along) < 1.5, (text, other)


def rates(n_conditions=8, names=None):
    theta, time = np.linspace(0, 2 * np.pi, n_conditions, endpoint=False)[:, None, None], 0.01 * np.arange(50)[:, None]
    made = 9 + 5 * np.cos(theta - np.arange(12)) * np.sin(9 * time + np.arange(12) ** 2)
    names = names or [f"{360 * i / n_conditions:g}" for i in range(n_conditions)]
    return recirc.Activity(made, dt=0.01, conditions=names).to_xarray()["rates"]


def many_systems(n=5):
    theirs = rates()
    networks = theirs.drop_vars("unit").expand_dims(arm=[f"arm {i} of a long name" for i in range(n)])
    return figures.principal_components(theirs, networks)


def many_epochs(n=5):
    x, y = np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-2, 2, 9))
    flow = figures.Flow(
        x, y, -x, -y, np.ones((8, 3, 2)), [f"{45 * i}" for i in range(8)], np.zeros((0, 2)), np.zeros(0, bool)
    )
    epochs = {f"epoch {i}": flow for i in range(n)}
    return figures.flow_fields([("a network of a long name, with more", epochs)] * 2)


def many_spectra():
    return figures.eigenvalues({f"arm {i}": 0.1 * np.eye(3) for i in range(7)})


def many_seeds():
    cells = itertools.product(("tanh", "relu_dale"), (0.0, 0.5), (0.0, 0.1), range(30))
    index = pd.MultiIndex.from_tuples(list(cells), names=["arm", "target_off_share", "rate_penalty", "seed"])
    levels = pd.DataFrame({"performs": True, "units": False, "population": False, "silent": 0.1}, index)
    return figures.level_marks(levels.assign(verdict="input driven"))


def of_cells(headings=("mechanism", "jumps"), n=1, arms=("tanh", "relu")):
    """Columns under headings, a line per arm."""
    metrics = ("state_share", "input_share", "target_off_at_go_r2")
    rows = [Row(metric, "mechanism", "reference", 0.4, ci=(0.3, 0.5)) for metric in metrics]
    for seed, (arm, metric) in itertools.product(range(4), itertools.product(arms, metrics)):
        where = {"rate_penalty": 0.1, "target_off_share": 0.25, "seed": seed, "verdict": "mixed"}
        rows.append(Row(metric, "mechanism", arm, 0.1 * seed, condition=where))
    columns = {name: [figures.Column(metrics[i % 3], name="share of it") for i in range(n)] for name in headings}
    return frame(rows), columns


LONG = ("a_name_of_an_arm_that_nobody_had_planned", "another_arm")
CROWDED = {
    "many systems": many_systems,
    "many epochs": many_epochs,
    "many spectra": many_spectra,
    "many seeds": many_seeds,
    "many headings": lambda: figures.score_grid(*of_cells([f"heading number {i}" for i in range(7)])),
    "many columns": lambda: figures.score_grid(*of_cells(n=13)),
    "one column": lambda: figures.score_grid(*of_cells(["a heading that is wider than its column"])),
    "long arms": lambda: figures.score_grid(*of_cells(n=2, arms=LONG)),
    "long arms' mechanisms": lambda: figures.mechanism_shares(of_cells(arms=LONG)[0]),
}


@pytest.mark.parametrize("name", CROWDED)
def test_many_panels_and_long_names_keep_every_word_apart(name):
    with figures.one_column():
        figure = CROWDED[name]()
    assert figure.get_figwidth() == COLUMN
    assert_apart(figure)


@pytest.mark.parametrize(("n", "n_parts"), [(1, 1), (3, 2), (4, 3), (13, 4)])
def test_fields_of_scores_are_whole_in_every_part(n, n_parts):
    with figures.one_column():
        figure = figures.score_grid(*of_cells(n=n))
    assert len(figure.axes) == n_parts
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert axes.patches
        for patch in axes.patches:
            assert axes.bbox.y0 <= patch.get_window_extent().y0
            assert axes.bbox.x1 >= patch.get_window_extent().x1


@pytest.mark.parametrize("width", [figures.one_column, contextlib.nullcontext])
def test_where_there_is_no_panel_the_directions_are_shown(width):
    constant = 0 * rates()
    with width():
        figure = figures.example_units(constant, constant)
    assert "direction" in [text for text, _ in shown(figure)]


def test_a_circuit_alone_is_as_large_as_a_page_lets_it():
    theirs = rates()
    figure = figures.principal_components(theirs, theirs.expand_dims(arm=["none"]).isel(arm=slice(0)))
    assert figure.get_figheight() > WIDTH


@pytest.mark.parametrize("name", ["example_units", "psths", "target_against_output", "principal_components", "rasters"])
def test_nothing_that_is_shown_on_a_page_is_missing_in_one_column(name):
    words = lambda figure: {each for text in figure.findobj(Text) for each in text.get_text().split()}  # noqa: E731
    lines = lambda figure: sum(len(axes.lines) for axes in figure.axes)  # noqa: E731
    wide = draw(name)
    with figures.one_column():
        narrow = draw(name)
    numbers = {each for each in words(wide) if each.strip("-\N{MINUS SIGN}").replace(".", "").isdigit()}  # ticks differ
    assert words(wide) - numbers <= words(narrow)
    assert lines(wide) == lines(narrow)


@pytest.mark.parametrize(("sharex", "sharey"), list(itertools.product([False, True, "row", "col"], repeat=2)))
def test_panels_share_axes_as_on_a_page(sharex, sharey):
    _, wide = panels(2, 5, height=2, wheel=0.5, sharex=sharex, sharey=sharey)
    with figures.one_column():
        figure, narrow = panels(2, 5, height=2, wheel=0.5, sharex=sharex, sharey=sharey)
    assert narrow.shape == wide.shape
    assert len(starts(narrow)) == 2
    assert figure.get_figheight() == 4
    for grid in (wide, narrow):
        for i, axes in enumerate(grid[:, :-1].ravel()):
            axes.set(xlim=(0, i + 1), ylim=(0, i + 1))
    for which in ("get_xlim", "get_ylim"):
        here, there = (
            np.array([getattr(axes, which)()[1] for axes in grid[:, :-1].ravel()]) for grid in (wide, narrow)
        )
        # a limit is that of the last panel of those that share: the same panels share, so the same limits are set
        np.testing.assert_array_equal(here, there)


def test_the_page_is_wide_again_after_an_error():
    with pytest.raises(RuntimeError), figures.one_column():
        raise RuntimeError
    assert figures.eigenvalues({"hints": np.eye(3)}).get_figwidth() > COLUMN
