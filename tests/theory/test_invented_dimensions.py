"""Dimensions of a network's own: planted shares of its variance are found, by the truth and by the neurons."""

import numpy as np
import pytest

import recirc
from recirc import compare


def activity(rates):
    return recirc.Activity(rates, dt=0.01, conditions=[str(i) for i in range(len(rates))])


def planted(share, seed=0, n_units=20):
    """A truth, and a network with this share of its variance in dimensions of its own."""
    random = np.random.default_rng(seed)
    truth, own = random.normal(size=(2, 6, 200, 5))
    axes = np.linalg.qr(random.normal(size=(n_units, 10)))[0].T
    network = np.sqrt(1 - share) * truth @ axes[:5] + np.sqrt(share) * own @ axes[5:] + 2
    return activity(network), activity(truth)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_the_truth_explains_all_but_the_planted_share(share):
    network, truth = planted(share)
    score = compare.state_r2(network, truth)
    assert score.value == pytest.approx(1 - share, abs=0.03)
    assert np.mean(score.parts["per_condition"]) == pytest.approx(score.value, abs=0.01)
    fitted = compare.NeuronMap.fit(network.select(range(5)), truth.select(range(5)))
    assert fitted.score(network.select([5]), truth.select([5])).value > 0.99  # the other direction sees nothing


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_neurons_show_all_but_the_planted_share(share):
    network, truth = planted(share)
    neurons = activity(np.asarray(truth.rates) @ np.random.default_rng(1).normal(size=(5, 30)))
    fitted = compare.NeuronMap.fit(network, neurons, penalties=(1e-9,))
    score = compare.cycle_consistency(fitted, network, share=1 - 1e-6)
    assert score.value == pytest.approx(1 - share, abs=0.03)
    assert score.parts["rank"] == 5


def test_an_unrelated_circuit_explains_nothing():
    network, _ = planted(0.5)
    assert abs(compare.state_r2(network, planted(0.5, seed=9)[1]).value) < 0.05


def test_what_cannot_be_told_is_refused():
    network, truth = planted(0.5)
    with pytest.raises(ValueError, match="three or more, got 2"):
        compare.state_r2(network.select([0, 1]), truth.select([0, 1]))
    with pytest.raises(ValueError, match=r"at most 1, got 1\.5"):
        compare.cycle_consistency(compare.NeuronMap.fit(network, truth), network, share=1.5)
