"""Figures for one column of a page: as those of a page, but narrow, and every word in its place."""

import doctest
import inspect
import itertools

import numpy as np
import pytest
from matplotlib.text import Text

import recirc
from recirc import figures
from recirc.figures.layout import COLUMN, panels, starts

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
