"""What comparisons refuse or leave out, and what they say."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc import compare


def activity(seed=0, n_units=6, n_trials=4, n_steps=50, outputs=None):
    rates = np.random.default_rng(seed).normal(size=(n_trials, n_steps, n_units))
    return recirc.Activity(rates, dt=0.01, conditions=[str(i) for i in range(n_trials)], outputs=outputs)


@pytest.mark.parametrize("similarity", [compare.SVCCA(3), compare.LinearCKA(), compare.Procrustes()])
def test_constant_units_are_left_out_and_listed(similarity):
    a, b = activity(0), activity(1)
    silent = a.replace(
        rates=jnp.concatenate([a.rates, jnp.full((4, 50, 1), 2.0)], axis=2), units=[*"abcdef", "silent one"]
    )
    with pytest.warns(UserWarning, match="silent one"):
        value = similarity(silent, b).value
    assert value == similarity(a, b).value
    with pytest.raises(ValueError, match="every unit of the second"):
        similarity(a, b.replace(rates=jnp.ones(b.rates.shape)))


@pytest.mark.parametrize("similarity", [compare.SVCCA(5), compare.LinearCKA(), compare.Procrustes()])
def test_few_samples_per_dimension_are_warned_of(similarity):
    with pytest.warns(UserWarning, match="null"):
        similarity(activity(0, n_trials=1, n_steps=20), activity(1, n_trials=1, n_steps=20))


def test_low_rank_is_reduced_with_a_message():
    a, b = activity(0), activity(1)
    flat = a.replace(rates=a.rates[:, :, :2] @ np.random.default_rng(0).normal(size=(2, 6)))
    with pytest.warns(UserWarning, match="under 5 dimensions"):
        score = compare.SVCCA(5)(flat, b)
    assert np.isfinite(score.parts["correlation"]).sum() == 2
    assert score.value == pytest.approx(np.nanmean(score.parts["correlation"]))


def test_a_silent_condition_is_refused_within_conditions():
    a, b = activity(0), activity(1)
    with pytest.raises(ValueError, match="constant within a condition"):
        compare.SVCCA(2, per_condition=True)(a.replace(rates=a.rates.at[0].set(0.0)), b)


def test_svcca_needs_a_component():
    with pytest.raises(ValueError, match="n_components"):
        compare.SVCCA(0)


def test_outputs_must_be_there_alike_and_not_silent():
    outputs = np.random.default_rng(0).normal(size=(4, 50, 2))
    a = activity(outputs=outputs)
    for similarity in (compare.OutputNMSE(), compare.OutputR2()):
        with pytest.raises(ValueError, match="first activity has no outputs"):
            similarity(activity(), a)
        with pytest.raises(ValueError, match="1 and 2 outputs"):
            similarity(activity(outputs=outputs[:, :, :1]), a)
        with pytest.raises(ValueError, match=r"zero everywhere|constant"):
            similarity(a, activity(outputs=np.zeros((4, 50, 2))))


@pytest.mark.parametrize(("start", "stop"), [(0.1, 0.1), (-0.1, 0.2), (0.2, 0.9)])
def test_window_must_fit(start, stop):
    with pytest.raises(ValueError, match="does not fit"):
        compare.window(activity(), start, stop)


def test_shuffling_needs_conditions_of_equal_size(key):
    for labels in (["x"] * 4, ["x", "x", "x", "y"]):
        a = recirc.Activity(activity().rates, dt=0.01, conditions=labels)
        with pytest.raises(ValueError, match="average repeats"):
            compare.ShuffledConditions().draw(a, key=key)


def test_null_distribution_needs_a_draw(key):
    with pytest.raises(ValueError, match="n_draws"):
        compare.null_distribution(
            compare.LinearCKA(), activity(0), activity(1), compare.PhaseRandomized(), n_draws=0, key=key
        )


def test_neuron_map_says_what_does_not_fit():
    network, neurons = activity(0), activity(1, n_units=3)
    with pytest.raises(ValueError, match="only one"):
        compare.NeuronMap.fit(network.select([0]), neurons.select([0]))
    for wrong in ({"penalties": ()}, {"penalties": (0.0,)}, {"every": 0}):
        with pytest.raises(ValueError, match="penalties must be positive"):
            compare.NeuronMap.fit(network, neurons, **wrong)
    with pytest.raises(ValueError, match="constant"):
        compare.NeuronMap.fit(network.replace(rates=jnp.ones(network.rates.shape)), neurons)
    fitted = compare.NeuronMap.fit(network, neurons)
    with pytest.raises(ValueError, match="6 units and is given 5"):
        fitted.predict(activity(0, n_units=5))
    with pytest.raises(ValueError, match="other"):
        fitted.score(network, neurons.replace(units=["0", "1", "other"]))
    with pytest.raises(ValueError, match="no variance"):
        fitted.score(network, neurons.replace(rates=jnp.broadcast_to(fitted.neuron_mean, neurons.rates.shape)))


def test_statistics_refuse_what_is_not_a_number(key):
    with pytest.raises(ValueError, match="failed runs"):
        compare.bootstrap_interval([1.0, np.nan], key=key)
    with pytest.raises(ValueError, match="level"):
        compare.bootstrap_interval([1.0, 2.0], key=key, level=95)
    for values in ([1.0, np.inf], [], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="finite, on one axis"):
            compare.sign_flip_test(values, key=key)
    with pytest.raises(ValueError, match="alternative"):
        compare.sign_flip_test([1.0, 2.0], alternative="bigger", key=key)
    with pytest.raises(ValueError, match="level"):
        compare.sign_flip_interval([1.0, 2.0], level=95, key=key)
    for values, smallest in (([1.0], 0.1), ([1.0, np.nan], 0.1), ([1.0, 2.0], 0.0)):
        with pytest.raises(ValueError, match="two or more"):
            compare.seeds_needed(values, smallest)


def test_probes_say_what_does_not_fit(key):
    trials = recirc.tasks.CenterOutReach(dt=0.005).trials(2, key=key)
    network = recirc.circuits.RateNetwork.random(n_units=5, key=key)
    with pytest.raises(ValueError, match="not be negative"):
        compare.PrivateNoise(-1.0)
    kicked = recirc.circuits.Perturbed(network, jnp.asarray(30.0), jnp.asarray(0), key)
    with pytest.raises(ValueError, match="no private noise"):
        compare.PrivateNoise(0.1)(kicked, trials, key=key)
    with pytest.raises(ValueError, match="movement"):
        compare.PerturbedState()(network, trials.replace(epochs={}), key=key)
    with pytest.raises(ValueError, match="outside"):
        compare.PerturbedState(time_s=9.0)(network, trials, key=key)
    three = recirc.circuits.RateNetwork.random(n_units=5, n_outputs=3, key=key)
    with pytest.raises(ValueError, match="3 outputs"):
        compare.NewTrials()(three, trials, key=key)


def test_a_circuit_that_blows_up_scores_infinity(key):
    trials = recirc.tasks.CenterOutReach(dt=0.005).trials(2, key=key)
    network = recirc.circuits.RateNetwork.random(n_units=5, key=key)
    wild = dataclasses.replace(network, recurrent=1e6 * jnp.eye(5), readout=jnp.ones((2, 5)), nonlinearity=lambda x: x)
    assert compare.NewTrials()(wild, trials, key=key).value == np.inf
    assert jax.numpy.isfinite(compare.NewTrials()(network, trials, key=key).value)
