"""Nouns and results in a notebook: well-formed HTML without scripts, with shapes, and every name escaped."""

from html.parser import HTMLParser

import jax
import numpy as np
import pytest

import recirc
from recirc.analyses import AnalysisResult, Claim, Row
from recirc.notebook import table

HOSTILE = "<script>alert('1')</script>"
NETWORK = recirc.circuits.RateNetwork.random(n_units=5, n_inputs=3, key=jax.random.key(0))
IMPORTED = recirc.circuits.from_arrays(weight_hh=np.zeros((9, 3)), weight_ih=np.zeros((9, 2)), W_out=np.eye(3), dt=0.01)
ACTIVITY = recirc.Activity(
    np.ones((2, 4, 3)), dt=0.01, conditions=["a", HOSTILE], units=[HOSTILE, "u", "v"], covariates={HOSTILE: [1, 2]},
    notes=[HOSTILE],
)  # fmt: skip
SHOWN = {
    "trials": recirc.Trials(
        np.ones((2, 4, 3)), np.ones((2, 4, 1)), dt=0.01, conditions=["a", HOSTILE], epochs={HOSTILE: (0, 0.01)}
    ),
    "activity": ACTIVITY,
    "network": NETWORK,
    "imported": IMPORTED,
    "fit": recirc.train.Fit(
        NETWORK, recirc.Outcome.FINISHED, HOSTILE, [{"output_nmse": 0.5}, {HOSTILE: 0.25}], ACTIVITY, 1.5
    ),
    "score": recirc.Score(HOSTILE, 0.5, "unit", parts={HOSTILE: np.ones(7)}, settings={"k": HOSTILE}),
    "result": AnalysisResult(
        HOSTILE, (Row("m", "unit", HOSTILE, 0.5),), (Claim(HOSTILE, "here", True),), sentences={"units": HOSTILE},
        figures=(HOSTILE,),
    ),
}  # fmt: skip


class Page(HTMLParser):
    """Text of HTML whose every tag is closed in order."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], set(), set(), []
        self.feed(source)
        self.close()
        assert self.open == []
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("name", SHOWN)
def test_tables_are_well_formed_and_harmless(name):
    page = Page(SHOWN[name]._repr_html_())
    assert page.tags <= {"table", "caption", "b", "tr", "th", "td", "details", "summary"}
    assert page.attributes <= {"style"}
    assert HOSTILE in page.text or name in ("network", "imported")


def test_arrays_show_their_shapes_and_axes():
    assert "trial 2 × time 4 × input 3" in Page(SHOWN["trials"]._repr_html_()).text
    assert "trial 2 × time 4 × unit 3" in Page(ACTIVITY._repr_html_()).text
    assert "unit 5 × input 3" in Page(NETWORK._repr_html_()).text
    assert {"GatedUpdate", "gates 9 × input 2", "output 3 × unit 3"} <= set(Page(IMPORTED._repr_html_()).words)
    assert f"{HOSTILE}: 7" in Page(SHOWN["score"]._repr_html_()).text


def test_a_fit_shows_how_it_ended_and_its_network_folded():
    text = Page(SHOWN["fit"]._repr_html_()).text
    for said in ("finished: all passes were made", f"2, the last {HOSTILE}: 0.25", "RateNetwork", "unit 5 × input 3"):
        assert said in text
    assert SHOWN["fit"]._repr_html_().count("<details>") == 2


def test_what_is_empty_or_long_takes_no_room():
    many = recirc.Activity(np.ones((1, 2, 5000)), dt=0.01, conditions=["x" * 500])
    html = many._repr_html_()
    assert "trial_counts" not in html
    assert "standard_error" not in html
    assert "0, 1, 2, 3, 4, 5, … (5000 in all)" in html
    assert len(html) < 2000


def test_a_traced_network_can_be_shown_too():
    shown = []
    jax.jit(lambda network: shown.append(network._repr_html_()) or network.bias)(NETWORK)
    assert "unit 5 × input 3" in shown[0]


def test_numbers_are_short():
    assert "0.333333" in table("t", [("x", 1 / 3)])
