"""Backpropagation through time: its gradient, its penalties, the constraints it keeps, where it stops."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc.circuits import RateNetwork, simulate
from recirc.circuits.base import trajectory
from recirc.train import Bptt, JacobianPenalty, OmegaPenalty, RatePenalty, WeightPenalty
from recirc.train.bptt import _samples, loss_gradient, noise_current, split_by_condition
from recirc.train.penalties import Run, slope

_trajectory = eqx.filter_jit(trajectory)


@pytest.fixture
def key():
    return jax.random.key(0)


def make(n_units=12, n_steps=30, n_trials=4, nonlinearity=jnp.tanh, **kinds):
    """A smooth input to be integrated."""
    random = np.random.default_rng(0)
    inputs = np.cumsum(random.normal(size=(n_trials, n_steps, 2)), axis=1) / 5
    targets = np.cumsum(inputs[:, :, :1], axis=1) / 10
    trials = recirc.Trials(inputs, targets, dt=0.01, conditions=[str(i) for i in range(n_trials)])
    network = RateNetwork.random(
        n_units=n_units,
        n_outputs=1,
        time_constant=0.05,
        readout_scale=0.3,
        nonlinearity=nonlinearity,
        key=jax.random.key(3),
        **kinds,
    )
    return network, trials


def gradient_of(trainer, network, trials, key):
    return _gradient(trainer, network, _samples(trials), trials.dt, 1.0, key=key)


_gradient = eqx.filter_jit(loss_gradient)


ADDED = (RatePenalty(0.3), WeightPenalty(0.2), WeightPenalty(0.4, "readout"), JacobianPenalty(0.05))


def total(trainer, network, trials, key):
    """The loss and all penalties but the immediate ones, without noise."""
    error = gradient_of(trainer, network, trials, key)[0]
    states = _trajectory(network, jnp.transpose(trials.inputs, (1, 2, 0)), trials.dt, key=key)
    run = Run(states, network.rates(states), None, jnp.transpose(trials.mask), trials.dt)
    return error + sum(penalty(network, run) for penalty in trainer.penalties)


def test_gradient_matches_finite_differences(key):
    """Through the forward loop that everything else runs, penalties and mask included."""
    network, trials = make(noise=0.0)
    trials = trials.replace(mask=trials.mask.at[0, 20:].set(0.0))
    trainer = Bptt(input_noise=0.0, private_noise=0.0, penalties=ADDED)
    gradient = gradient_of(trainer, network, trials, key)[1]
    for name, place in (
        ("recurrent", (3, 5)),
        ("input_weights", (2, 1)),
        ("readout", (0, 4)),
        ("bias", (7,)),
        ("start", (1,)),
    ):
        value, step = getattr(network, name), 1e-5
        up, down = (
            total(trainer, dataclasses.replace(network, **{name: value.at[place].add(by)}), trials, key)
            for by in (step, -step)
        )
        assert float(gradient[name][place]) == pytest.approx(float(up - down) / (2 * step), rel=1e-5, abs=1e-9)


def test_loss_counts_every_output_alike_and_only_what_the_mask_counts(key):
    """1 for outputs of zero around a target's mean, whatever the targets' units; padding changes nothing."""
    network, trials = make()
    network = dataclasses.replace(network, readout=jnp.zeros_like(network.readout))
    centered = trials.targets - trials.targets.mean()
    trainer = Bptt(input_noise=0.0, private_noise=0.0, penalties=())
    for factor in (1.0, 1e3):
        loss, _ = gradient_of(trainer, network, trials.replace(targets=factor * centered), key)
        assert loss == pytest.approx(1.0)
    padded = [jnp.pad(a, ((0, 0), (0, 5), (0, 0)), constant_values=7.0) for a in (trials.inputs, centered)]
    mask = jnp.pad(trials.mask, ((0, 0), (0, 5)))
    longer = recirc.Trials(*padded, dt=trials.dt, conditions=trials.conditions, mask=mask)
    full = dataclasses.replace(network, readout=network.readout + 0.3)
    short, padded = (
        float(gradient_of(trainer, full, each, key)[0]) for each in (trials.replace(targets=centered), longer)
    )
    assert padded == pytest.approx(short)


def test_omega_is_the_sum_over_samples_and_moves_only_recurrent_weights(key):
    """Against loops over samples, with gradients that vanish in some."""
    network, trials = make(n_units=5)
    random = np.random.default_rng(1)
    states, gradients = random.normal(size=(2, 6, 5, 3))
    gradients[2, :, 1] = 1e-12
    run = Run(jnp.asarray(states), jnp.tanh(states), jnp.asarray(gradients), jnp.ones((6, 3)), trials.dt)
    alpha, weights = 1 - np.exp(-0.01 / 0.05), np.asarray(network.recurrent)
    terms = []
    for t in range(6):
        for b in range(3):
            g = gradients[t, :, b]
            if g @ g >= 1e-20:
                back = (1 - alpha) * g + alpha * (g @ weights) * (1 - np.tanh(states[t, :, b]) ** 2)
                terms.append((back @ back / (g @ g) - 1) ** 2)
    assert len(terms) == 17
    assert OmegaPenalty(2.0)(network, run) == pytest.approx(2 * np.mean(terms))
    quiet = Bptt(input_noise=0.0, private_noise=0.0, penalties=())
    plain, with_omega = (
        gradient_of(dataclasses.replace(quiet, penalties=p), network, trials, key)[1]
        for p in ((), (OmegaPenalty(2.0),))
    )
    moved = {name for name in plain if np.abs(plain[name] - with_omega[name]).max() > 1e-9}
    assert moved == {"recurrent"}


def test_penalties_are_means(key):
    """They stay where they are when units, trials or times are doubled."""
    states = jax.random.normal(key, (6, 5, 3))
    network = make(n_units=5)[0]
    run = Run(states, jnp.tanh(states), None, jnp.ones((6, 3)), 0.01)
    value = RatePenalty(0.7)(network, run)
    assert value == pytest.approx(0.7 * np.mean(np.tanh(states) ** 2))
    for axis in range(3):
        doubled = jnp.concatenate([states, states], axis)
        counted = jnp.ones((doubled.shape[0], doubled.shape[2]))
        assert RatePenalty(0.7)(network, Run(doubled, jnp.tanh(doubled), None, counted, 0.01)) == pytest.approx(value)
    jacobian = np.asarray(network.recurrent)[None, :, :, None] * np.asarray(slope(network, states))[:, None]
    assert JacobianPenalty(0.4)(network, run) == pytest.approx(0.2 * (jacobian**2).sum((1, 2)).mean())


@pytest.mark.parametrize("dt", [0.002, 0.01])
def test_private_noise_is_the_spread_of_x(dt, key):
    """Of units without connections."""
    silent = RateNetwork.random(n_units=40, gain=0.0, time_constant=0.05, key=key)
    noisy = dataclasses.replace(silent, noise=noise_current(0.3, dt, 0.05))
    states = trajectory(noisy, jnp.zeros((300, 2, 20)), dt, key=key)[150:]
    assert np.std(states) == pytest.approx(0.3, rel=0.12)


@pytest.mark.parametrize("nonlinearity", [jnp.tanh, jax.nn.relu, jax.nn.softplus, lambda x: x / (1 + x**2)])
def test_learns_with_any_function_that_has_a_derivative(nonlinearity, key):
    network, trials = make(n_units=30, nonlinearity=nonlinearity)
    fit = recirc.fit(Bptt(n_passes=6, learning_rate=1e-2, goal_r2=None), network, trials, key=key)
    assert fit.outcome is recirc.Outcome.FINISHED
    assert fit.history[-1]["output_r2"] > max(0.8, fit.history[0]["output_r2"])


def test_dales_law_and_missing_connections_hold_while_an_ei_network_learns(key):
    network, trials = make(n_units=40, excitatory_fraction=0.8, density=0.5, autapses=False, nonlinearity=jax.nn.relu)
    signs = np.sign(np.asarray(network.recurrent))
    assert set(np.unique(signs[:, :32])) <= {0, 1}
    assert set(np.unique(signs[:, 32:])) <= {0, -1}
    np.testing.assert_allclose(np.asarray(network.recurrent).sum(1), 0, atol=1e-9)  # balanced
    assert np.abs(np.linalg.eigvals(network.recurrent)).max() == pytest.approx(1.5)
    fit = recirc.fit(Bptt(n_passes=8, learning_rate=1e-2, goal_r2=None), network, trials, key=key)
    after = np.asarray(fit.network.recurrent)
    assert fit.history[-1]["output_r2"] > 0.8
    assert (after[:, :32] >= 0).all()
    assert (after[:, 32:] <= 0).all()
    assert not after[~np.asarray(network.connections)].any()
    assert not np.diag(after).any()


def test_only_what_is_named_learns(key):
    network, trials = make()
    fit = recirc.fit(Bptt(n_passes=1, learns=("readout", "bias")), network, trials, key=key)
    changed = {
        name
        for name in ("recurrent", "input_weights", "readout", "bias", "start")
        if not np.allclose(getattr(fit.network, name), getattr(network, name), atol=1e-7)
    }
    assert changed == {"readout", "bias"}


def test_a_rate_penalty_lowers_rates_at_the_same_goal(key):
    network, trials = make(n_units=30)
    squares = []
    for weight in (0.0, 1.0):
        trainer = Bptt(
            n_passes=20, learning_rate=1e-2, goal_r2=0.9, n_passes_least=10, penalties=(RatePenalty(weight),), ramp=5
        )
        fit = recirc.fit(trainer, network, trials, key=key)
        assert fit.outcome is recirc.Outcome.REACHED
        assert len(fit.history) >= 10
        squares.append(float(np.mean(simulate(fit.network, trials, key=key).rates ** 2)))
    assert squares[1] < squares[0] / 2


def test_stops_at_the_goal_and_says_when_it_was_missed(key):
    network, trials = make(n_units=30)
    reached = recirc.fit(Bptt(learning_rate=1e-2, goal_r2=0.5), network, trials, key=key)
    assert reached.outcome is recirc.Outcome.REACHED
    assert len(reached.history) < 40
    assert reached.history[-1]["output_r2"] >= 0.5 > reached.history[0]["output_r2"] or len(reached.history) == 1
    missed = recirc.fit(Bptt(n_passes=1, n_updates=1), network, trials, key=key)
    assert missed.outcome is recirc.Outcome.MISSED
    assert "without reaching its goal" in missed.message


def test_a_checkpoint_is_known_by_what_functions_do_and_not_by_where_they_lie(key, tmp_path):
    """As in another process, where every function has another address."""

    def saturating(power):
        return lambda x: jnp.tanh(x) ** power

    def train(nonlinearity, n_passes):
        network, trials = make(nonlinearity=nonlinearity)
        trainer = Bptt(n_passes=3, n_updates=2, goal_r2=None)
        seen = []

        def stop(index, entry):
            seen.append(index)
            if len(seen) > n_passes:
                raise KeyboardInterrupt

        recirc.fit(trainer, network, trials, key=key, checkpoint=tmp_path / "state", progress=stop)
        return seen

    with pytest.raises(KeyboardInterrupt):
        train(saturating(1), 1)
    with pytest.raises(ValueError, match="another training"):
        train(saturating(3), 3)
    assert train(saturating(1), 3) == [1, 2]


def test_held_out_trials_are_a_share_of_every_condition_or_none():
    labels = ["a", "b"] * 10 + ["c"] * 2
    trained, judged = split_by_condition(labels, 0.2)
    assert [labels[i] for i in judged] == ["a", "b", "a", "b"]
    assert not set(trained) & set(judged)
    assert len(trained) + len(judged) == len(labels)
    for few, share in ((["a", "b", "c"], 0.2), (labels, 0.0)):
        trained, judged = split_by_condition(few, share)
        assert trained.tolist() == judged.tolist() == list(range(len(few)))


def test_divergence_keeps_the_last_good_network_and_says_what_to_do(key):
    network, trials = make(nonlinearity=lambda x: x**3)
    wild = trials.replace(inputs=1e4 * trials.inputs)
    fit = recirc.fit(Bptt(n_passes=2, n_updates=3), network, wild, key=key)
    assert fit.outcome is recirc.Outcome.DIVERGED
    assert "learning rate" in fit.message
    np.testing.assert_allclose(fit.network.recurrent, network.recurrent, rtol=1e-6)


def hinted(trials, factor=1.0):
    """Trials with hints that no output asks for, nor any linear system has: integrals of products of the inputs."""
    u = np.asarray(trials.inputs)
    hints = factor * np.cumsum(np.stack([u[..., 0] * u[..., 1], u[..., 0] ** 2], axis=2), axis=1)
    return trials.replace(hints=hints, hint_units=["a", "b"])


def test_gradient_of_hints_is_that_of_outputs_with_their_weight(key):
    """Against finite differences of the loss that is written, means over outputs and over hints."""
    network, trials = make(noise=0.0)
    trials = hinted(trials.replace(mask=trials.mask.at[0, 20:].set(0.0)), factor=50.0)
    trainer = Bptt(input_noise=0.0, private_noise=0.0, penalties=())
    wider = dataclasses.replace(network, readout=jax.random.normal(key, (3, 12)))
    samples = _samples(trials, trials.hints, 0.3)
    loss, gradient = _gradient(trainer, wider, samples, trials.dt, 1.0, key=key)
    outputs = simulate(wider, trials, key=key).outputs
    counted = np.asarray(trials.mask) > 0

    def error(made, asked):
        made, asked = (np.asarray(each)[counted] for each in (made, asked))
        return np.mean((made - asked) ** 2 / asked.var(axis=0))

    task, hints = error(outputs[..., :1], trials.targets), error(outputs[..., 1:], trials.hints)
    assert loss == pytest.approx(float(task + 0.3 * hints), rel=1e-6)
    for place in ((3, 5), (7, 2)):
        up, down = (
            _gradient(
                trainer, dataclasses.replace(wider, recurrent=wider.recurrent.at[place].add(by)), samples, trials.dt,
                1.0, key=key,
            )[0]
            for by in (1e-5, -1e-5)
        )  # fmt: skip
        assert float(gradient["recurrent"][place]) == pytest.approx(float(up - down) / 2e-5, rel=1e-4, abs=1e-8)


def test_hints_bring_a_network_nearer_to_recorded_units(key):
    """Planted: units of which the task needs nothing are read better from a network that was trained on them."""
    network, trials = make(n_units=30, n_trials=12)
    shown, errors = hinted(trials), {}
    for weight in (0.0, 1.0):
        trainer = Bptt(n_passes=6, learning_rate=1e-2, goal_r2=None, hint_weight=weight)
        fit = recirc.fit(trainer, network, shown, key=key)
        assert fit.network.readout.shape == (1, 30)
        assert fit.history[-1]["output_r2"] > 0.8
        rates = np.asarray(simulate(fit.network, trials, key=key).rates).reshape(-1, 30)
        units = np.asarray(shown.hints).reshape(-1, 2)
        left = units - rates @ np.linalg.lstsq(rates, units, rcond=0.03)[0]
        errors[weight] = (left**2).sum() / (units**2).sum()
    assert errors[1.0] < errors[0.0] / 2


def test_without_weight_the_task_is_all_there_is(key):
    network, trials = make()
    trainer = Bptt(n_passes=2, n_updates=5, hint_weight=0.0)
    plain, unweighted = (recirc.fit(trainer, network, each, key=key) for each in (trials, hinted(trials)))
    with_hints = recirc.fit(dataclasses.replace(trainer, hint_weight=1.0), network, hinted(trials), key=key)
    assert plain.history == unweighted.history
    for name in ("recurrent", "input_weights", "readout", "bias", "start"):
        assert np.array_equal(getattr(plain.network, name), getattr(unweighted.network, name))
    assert not np.array_equal(plain.network.recurrent, with_hints.network.recurrent)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_passes": 0},
        {"clip": 0.0},
        {"private_noise": -1.0},
        {"hint_weight": -1.0},
        {"goal_r2": 1.0},
        {"held_out": 1.0},
        {"learns": ("weights",)},
        {"learns": ()},
        {"ramp": 50},
    ],
    ids=str,
)
def test_refuses_settings_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Bptt(**wrong)


def test_refuses_what_it_cannot_train(key):
    network, trials = make()
    fed_back = dataclasses.replace(network, feedback=jnp.ones((12, 1)))
    with pytest.raises(ValueError, match="without output feedback"):
        recirc.fit(Bptt(), fed_back, trials, key=key)
    with pytest.raises(ValueError, match="no readout learns"):
        recirc.fit(Bptt(learns=("recurrent",)), network, hinted(trials), key=key)
    for penalty in (RatePenalty, WeightPenalty, JacobianPenalty, OmegaPenalty):
        with pytest.raises(ValueError, match="weight must be at least 0"):
            penalty(-1.0)
    with pytest.raises(ValueError, match="no weights 'bias'"):
        WeightPenalty(1.0, "bias")
    with pytest.raises(ValueError, match="leaves no unit of one kind"):
        RateNetwork.random(n_units=10, excitatory_fraction=1.0, key=key)
