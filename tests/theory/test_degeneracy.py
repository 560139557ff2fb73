"""Spread over seeds: nothing between copies, planted differences at their own level."""

import equinox as eqx
import jax
import numpy as np
import pytest

import recirc
from recirc.analyses import degeneracy
from recirc.circuits import RateNetwork


@pytest.fixture(scope="module")
def trials():
    return recirc.tasks.CenterOutReach(dt=0.01).trials(8, key=jax.random.key(0))


def network(seed, scale=0.3):
    return RateNetwork.random(n_units=24, gain=1.2, readout_scale=scale, key=jax.random.key(seed))


def with_weights(network, **weights):
    return eqx.tree_at(lambda tree: [getattr(tree, name) for name in weights], network, list(weights.values()))


def renumbered(network, seed):
    order = np.random.default_rng(seed).permutation(24)
    weights = {"recurrent": network.recurrent[order][:, order], "readout": network.readout[:, order]}
    weights |= {name: getattr(network, name)[order] for name in ("input_weights", "bias", "start")}
    return with_weights(network, **weights)


def values(networks, trials, **options):
    table = degeneracy(networks, trials, key=jax.random.key(1), **options).table
    return table.set_index("metric")["value"].to_dict(), table


def test_renumbered_units_are_no_other_solution(trials):
    found, table = values([renumbered(network(0), seed) for seed in range(3)], trials)
    assert max(found.values()) < 1e-5
    assert list(table["level"]) == ["performance", "population", "mechanism"]


def test_each_level_sees_what_was_planted_there(trials):
    same = network(0)
    other_outputs, _ = values([with_weights(same, readout=k * same.readout) for k in (1.0, 1.2, 1.4)], trials)
    assert other_outputs["degeneracy_behavior"] > 1e-3
    assert max(other_outputs["degeneracy_dynamics"], other_outputs["degeneracy_weights"]) < 1e-5
    others, table = values([network(seed) for seed in range(4)], trials, untrained=[same, renumbered(same, 0)])
    assert 0.7 < others["degeneracy_weights"] < 1.1
    assert others["degeneracy_dynamics"] > 0.05
    assert (table["low"] < table["value"]).all()
    assert (table["baseline_untrained"] < 1e-5).all()


def test_interval_is_that_of_a_mean_of_pairs():
    """Of distances |x_i - x_j| of normal numbers, whose mean is 2 / sqrt(pi): covered in some 95 %."""
    from recirc.analyses.degeneracy import _mean_of_pairs

    random, covered = np.random.default_rng(0), 0
    for _ in range(400):
        x = random.normal(size=20)
        low, high = _mean_of_pairs(np.abs(x[:, None] - x))[1]
        covered += low < 2 / np.sqrt(np.pi) < high
    assert 0.88 < covered / 400 < 0.99


def test_networks_that_cannot_be_paired_are_refused(trials):
    with pytest.raises(ValueError, match="two or more networks"):
        degeneracy([network(0)], trials, key=jax.random.key(0))
    larger = RateNetwork.random(n_units=25, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"\[24, 25\]"):
        degeneracy([network(0), larger], trials, key=jax.random.key(0))
