"""Many networks at once: each as if alone, with an end of its own, in batches that fit the memory."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest

import recirc
from recirc.circuits import RateNetwork
from recirc.train import Bptt, Force, FullForce, JacobianPenalty, OmegaPenalty, RatePenalty, Ridge, batch, fit_batch
from recirc.types import Outcome

N = 5


class DoubleBptt(Bptt):
    dtype = np.float64


def _networks(n=N, **changes):
    keys = jax.random.split(jax.random.key(1), n)
    settings = {"n_units": 20, "time_constant": 0.05} | changes
    return [RateNetwork.random(key=key, **settings) for key in keys], jax.random.split(jax.random.key(2), n)


def _trials(n=1, n_trials=6):
    task = recirc.tasks.CenterOutReach(dt=0.01)
    return [task.trials(n_trials, key=key) for key in jax.random.split(jax.random.key(3), n)]


def _check_equal(many, alone, tolerance=1e-10):
    assert len(many) == len(alone)
    for a, b in zip(many, alone):
        assert (a.outcome, a.message) == (b.outcome, b.message)
        assert len(a.history) == len(b.history)
        for entry, other in zip(a.history, b.history):
            assert entry.keys() == other.keys()
            np.testing.assert_allclose(list(entry.values()), list(other.values()), rtol=tolerance)
        for x, y in zip(*(jax.tree.leaves(eqx.filter((f.network, f.embedder), eqx.is_array)) for f in (a, b))):
            assert x.dtype == y.dtype
            np.testing.assert_allclose(x, y, rtol=0, atol=tolerance * max(1e-300, float(np.abs(y).max())))


@pytest.mark.parametrize(
    ("trainer", "changes"),
    [
        (FullForce(n_passes=3), {}),
        (FullForce(n_passes=3, warm_up=1, lockstep=3), {"noise": 0.1}),
        (FullForce(n_passes=2), {"density": 0.5}),
        (Force(n_passes=2, update_interval=0.02), {}),
        (Force(n_passes=2, update_interval=0.02, learn="internal"), {}),
        (DoubleBptt(n_passes=2, n_updates=4, batch_size=3, ramp=1), {}),
        (DoubleBptt(n_passes=2, n_updates=3, penalties=(OmegaPenalty(0.1), RatePenalty(1e-3))), {"gain": 0.8}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, recirc.train.AbstractTrainer) else str(value),
)
def test_every_network_is_as_if_alone(trainer, changes):
    (networks, keys), trials = _networks(**changes), _trials(N)
    alone = [recirc.fit(trainer, *with_what, key=key) for *with_what, key in zip(networks, trials, keys)]
    _check_equal(fit_batch(trainer, networks, trials, keys=keys), alone)


def test_seeds_penalties_and_regimes_share_a_program_and_others_have_their_own(monkeypatch):
    (networks, keys), (trials,) = _networks(6), _trials()
    regimes = {"penalty": (0.1, 1.0, 10.0), "embedder_gain": (1.5,), "drive": (0.3,)}
    trainers = [FullForce(n_passes=2, **{name: value}) for name, values in regimes.items() for value in values]
    trainers.append(FullForce(n_passes=2, noise=0.0))
    sizes, together = [], batch._fit_together
    monkeypatch.setattr(batch, "_fit_together", lambda many: sizes.append(len(many)) or together(many))
    many = fit_batch(trainers, networks, trials, keys=keys)
    assert sizes == [5, 1]
    _check_equal(many, [recirc.fit(t, n, trials, key=k) for t, n, k in zip(trainers, networks, keys)])


def test_each_ends_by_itself():
    (networks, keys), trials = _networks(), _trials(N)
    trainers = [FullForce(n_passes=n) for n in (1, 4, 2, 1, 4)]
    trials[1] = trials[1].replace(targets=1e307 * trials[1].targets)  # diverges
    many = fit_batch(trainers, networks, trials, keys=keys)
    assert [len(fit.history) for fit in many] == [1, 1, 2, 1, 4]
    assert [fit.outcome is Outcome.DIVERGED for fit in many] == [False, True, False, False, False]
    _check_equal(many, [recirc.fit(*each, key=key) for *each, key in zip(trainers, networks, trials, keys)])


def test_goals_are_reached_one_by_one():
    (networks, keys), (trials,) = _networks(3), _trials()
    trainer = DoubleBptt(n_passes=6, n_updates=10, learning_rate=1e-2, batch_size=3)
    alone = [recirc.fit(trainer, network, trials, key=key) for network, key in zip(networks, keys)]
    middle = sorted(fit.history[2]["output_r2"] for fit in alone)[:2]
    trainer = dataclasses.replace(trainer, goal_r2=float(np.mean(middle)))  # nobody is there exactly
    alone = [recirc.fit(trainer, network, trials, key=key) for network, key in zip(networks, keys)]
    assert len({len(fit.history) for fit in alone}) > 1
    _check_equal(fit_batch(trainer, networks, trials, keys=keys), alone, 1e-9)


def test_batches_fit_the_memory(monkeypatch):
    (networks, keys), (trials,) = _networks(), _trials()
    trainer, sizes, together = FullForce(n_passes=1), [], batch._fit_together
    monkeypatch.setattr(batch, "_fit_together", lambda many: sizes.append(len(many)) or together(many))
    whole = fit_batch(trainer, networks, trials, keys=keys)
    one = batch.bytes_of_one(trainer, networks[0], trials)
    _check_equal(fit_batch(trainer, networks, trials, keys=keys, memory=2.5 * one), whole)
    fit_batch(trainer, networks[:2], trials, keys=keys[:2], memory=1.0)
    assert sizes == [5, 2, 2, 1, 1, 1]


@pytest.mark.parametrize(
    "trainer",
    [
        FullForce(),
        Force(update_interval=0.02),
        Bptt(n_updates=3),
        Bptt(n_updates=3, batch_size=4, penalties=(OmegaPenalty(1.0), JacobianPenalty(1.0))),
    ],
    ids=["FullForce", "Force", "Bptt", "penalties"],
)
def test_the_memory_model_holds_what_the_compiler_asks_for_and_not_twice_as_much(trainer):
    (network,), (key,) = _networks(1, n_units=80)
    network, trials = batch.checked(trainer, network, _trials(n_trials=8)[0])
    state = trainer.init(network, trials, key=key)
    stacked = [batch._stacked([each] * 2) for each in (batch.bare(state), trainer.prepare(trials))]
    advance = eqx.filter_vmap(lambda state, data, key: trainer.advance(state, data, trials.dt, key=key))
    lowered = eqx.filter_jit(advance).lower(*stacked, jax.random.split(key, 2))
    found = lowered.compile().compiled.memory_analysis()
    asked = found.temp_size_in_bytes + found.argument_size_in_bytes + found.output_size_in_bytes
    assert asked <= 2 * batch.bytes_of_one(trainer, network, trials) <= 2 * asked


def test_what_cannot_be_batched_is_refused():
    (networks, keys), (trials,) = _networks(2), _trials()
    with pytest.raises(ValueError, match="Ridge trains one network at a time; use `fit`"):
        fit_batch(Ridge(), networks, trials, keys=keys)
    with pytest.raises(ValueError, match="2 networks, 1 trainers, 2 trials and 2 keys; give as many of each"):
        fit_batch([FullForce()], networks, trials, keys=keys)
    with pytest.raises(ValueError, match="build the network with"):
        fit_batch(FullForce(), _networks(2, n_inputs=1)[0], trials, keys=keys)
