"""The engine against direct solutions, and what training is for: planted answers are found again."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc.circuits import RateNetwork, simulate
from recirc.circuits.rate_network import leak
from recirc.train import Force, FullForce, Ridge
from recirc.train.embedder import embed
from recirc.train.full_force import drive_from
from recirc.train.recursive_least_squares import Drive, Schedule, choose_block, learn_pass, start_learner

N_UNITS, N_TRIALS, N_STEPS, N_OUTPUTS, INTERVAL, PENALTY, DT = 12, 3, 37, 2, 3, 0.7, 0.001


def random_network(seed=0, **changes) -> RateNetwork:
    sizes = {"n_units": N_UNITS, "n_outputs": N_OUTPUTS, "bias_scale": 0.3}
    return RateNetwork.random(key=jax.random.key(seed), **{**sizes, **changes})


def random_drive(seed=0, *, is_forced=True, n_trials=N_TRIALS, n_steps=N_STEPS) -> Drive:
    random = np.random.default_rng(seed)
    draw = lambda n: jnp.asarray(random.normal(size=(n_steps, n, n_trials)))  # noqa: E731
    mask = jnp.asarray((random.random((n_steps, n_trials)) < 0.7).astype(float))
    return Drive(draw(2), draw(N_OUTPUTS), mask, draw(N_UNITS), draw(N_UNITS) if is_forced else None)


def learned(network, drive, *, block=1, noise=0.0, rows="all", error_weights=None):
    learner = start_learner(network, PENALTY, rows=rows, error_weights=error_weights)
    schedule = Schedule(interval=INTERVAL, block=block, noise=noise, rows=rows)
    return learn_pass(network, learner, drive, schedule, DT, jax.random.key(5))


def forced_samples(network, drive):
    """Rates and wanted values at the samples that count, from the network's equations alone, `(channel, sample)`."""
    state = np.tile(np.asarray(network.start)[:, None], (1, drive.mask.shape[1]))
    rates, wanted = [], []
    for step in range(drive.mask.shape[0]):
        total = drive.forced[step] + network.input_weights @ drive.inputs[step] + network.bias[:, None]
        state = np.asarray(leak(state, np.asarray(total), DT / network.time_constant))
        counts = np.asarray(drive.mask[step]) > 0
        if step % INTERVAL == INTERVAL - 1:
            rates.append(np.tanh(state)[:, counts])
            wanted.append(np.concatenate([drive.currents[step], drive.targets[step]])[:, counts])
    return np.concatenate(rates, axis=1), np.concatenate(wanted, axis=1)


def ridge(rates, wanted):
    """The direct solution of the penalized least squares."""
    return np.linalg.solve(rates @ rates.T + PENALTY * np.eye(len(rates)), rates @ wanted.T).T


class TestOpenLoop:
    """With the units driven from outside, rates do not depend on what is learned, so there is one direct answer."""

    @pytest.mark.parametrize("block", [1, 5])
    def test_blocked_recursion_is_the_direct_solution(self, block):
        network, drive = random_network(), random_drive()
        learner, _ = learned(network, drive, block=block)
        rates, wanted = forced_samples(network, drive)
        direct = ridge(rates, wanted)
        assert np.abs(learner.weights - direct).max() <= 1e-8 * np.abs(direct).max()
        precision = np.linalg.inv(PENALTY * np.eye(N_UNITS) + rates @ rates.T)
        assert np.abs(learner.precision - precision).max() <= 1e-8 * np.abs(precision).max()
        assert np.array_equal(learner.precision, learner.precision.T)
        assert np.linalg.eigvalsh(learner.precision).min() > 0

    def test_what_the_network_knew_before_does_not_pull_on_the_answer(self):
        network, drive = random_network(), random_drive()
        taught = dataclasses.replace(network, readout=jnp.ones_like(network.readout))
        assert np.array_equal(learned(network, drive)[0].weights, learned(taught, drive)[0].weights)

    def test_sparse_rows_are_their_own_direct_solutions(self):
        network, drive = random_network(density=0.4), random_drive()
        learner, _ = learned(network, drive)
        rates, wanted = forced_samples(network, drive)
        connected = np.asarray(network.connections)
        for unit in range(N_UNITS):
            direct = ridge(rates[connected[unit]], wanted[[unit]])
            np.testing.assert_allclose(learner.weights[unit][connected[unit]], direct[0], rtol=1e-8, atol=1e-10)
        assert not np.asarray(learner.weights[:N_UNITS])[~connected].any()
        np.testing.assert_allclose(learner.weights[N_UNITS:], ridge(rates, wanted[N_UNITS:]), rtol=1e-8)

    def test_a_unit_without_inputs_is_allowed(self):
        network = random_network(density=0.4)
        network = dataclasses.replace(network, connections=network.connections.at[0].set(False))
        learner, _ = learned(network, random_drive())
        assert not np.asarray(learner.weights[0]).any()
        assert np.isfinite(learner.weights).all()

    def test_masked_samples_change_nothing(self):
        network, drive = random_network(), random_drive()
        hidden = (drive.mask == 0)[:, None]
        other = drive._replace(
            targets=jnp.where(hidden, 1e3, drive.targets), currents=jnp.where(hidden, -1e3, drive.currents)
        )
        assert np.array_equal(learned(network, drive)[0].weights, learned(network, other)[0].weights)


class TestClosedLoop:
    def test_block_size_does_not_change_the_answer(self):
        network, drive = random_network(), random_drive(is_forced=False)
        one, outputs = learned(network, drive, noise=0.1)
        for block in (2, 5):
            other, other_outputs = learned(network, drive, noise=0.1, block=block)
            for a, b in ((one.weights, other.weights), (one.precision, other.precision), (outputs, other_outputs)):
                assert np.abs(a - b).max() <= 1e-9 * np.abs(a).max()

    def test_readout_rows_alone_leave_the_recurrent_weights(self):
        network, drive = random_network(), random_drive(is_forced=False)
        learner, _ = learned(network, drive, rows="readout", block=5)
        assert np.array_equal(learner.weights[:N_UNITS], network.recurrent)
        assert np.abs(learner.weights[N_UNITS:]).max() > 0.01

    def test_a_sparse_network_with_all_connections_learns_like_a_full_one(self):
        network, drive = random_network(), random_drive(is_forced=False)
        listed = dataclasses.replace(network, connections=jnp.ones((N_UNITS, N_UNITS), bool))
        full, sparse = learned(network, drive, noise=0.1)[0], learned(listed, drive, noise=0.1)[0]
        np.testing.assert_allclose(sparse.weights, full.weights, rtol=1e-8, atol=1e-10)

    def test_blocks_defer_at_most_a_few_tens_of_columns(self):
        sizes = [(n_trials, n_units) for n_trials in (1, 3, 8, 50, 200) for n_units in (5, 300, 1000)]
        blocks = [choose_block(*size) for size in sizes]
        assert all(block == 1 or 1 < block * size[0] <= 32 for block, size in zip(blocks, sizes))


class TestEmbedder:
    def test_its_currents_drive_the_trained_network_to_its_own_rates(self, key):
        """Pairs currents with steps: one step off, and the rates differ."""
        trials = recirc.tasks.ReadySetGo(dt=0.002, shortest=0.1, longest=0.3).trials(N_TRIALS, key=key)
        network = random_network(n_outputs=1)
        made = embed(network, trials, gain=1.2, drive=1.0, hint_drive=1.0, key=key)
        seen = dataclasses.replace(network, readout=jnp.eye(N_UNITS))  # so that the outputs are the rates
        silent = trials.replace(targets=made.activity.rates, mask=jnp.zeros_like(trials.mask))
        for forced, is_right in ((made.currents[:-1], True), (made.currents[1:], False)):
            drive = drive_from(silent, made.currents[1:], forced)
            schedule = Schedule(interval=1, block=1, noise=0.0, rows="readout")
            learner = start_learner(seen, PENALTY, rows="readout")
            _, rates = learn_pass(seen, learner, drive, schedule, trials.dt, key)
            error = np.abs(np.transpose(rates, (2, 0, 1)) - made.activity.rates).max()
            assert (error < 1e-12) == is_right

    def test_connections_are_respected_and_the_gain_is_per_connection(self, key):
        trials = recirc.tasks.CenterOutReach(dt=0.002).trials(8, key=key)
        network = random_network(n_units=60, density=0.5)
        made = embed(network, trials, gain=1.5, drive=0.0, hint_drive=0.0, key=key)
        rates = np.asarray(made.activity.rates).reshape(-1, 60)
        currents = np.transpose(made.currents[1:], (2, 0, 1)).reshape(-1, 60)
        recurrent = np.linalg.lstsq(rates, currents, rcond=None)[0].T
        connected = np.asarray(network.connections)
        assert np.abs(recurrent[~connected]).max() < 1e-6
        assert abs(np.sqrt((recurrent**2).sum(axis=1).mean()) - 1.5) < 0.15


def short_reach(key, n_trials=4):
    return recirc.tasks.CenterOutReach(dt=0.002).trials(n_trials, key=key)


class TestForce:
    def test_internal_is_feedback_on_a_fully_connected_network(self, key):
        trials = recirc.tasks.Oscillation(duration=0.2, dt=0.002).trials(2, key=key)
        network = random_network(n_inputs=1, n_outputs=1, gain=0.9)
        regime = {"n_passes": 2, "noise": 0.05, "update_interval": 0.004}
        fed, inner = (
            recirc.fit(Force(learn=kind, **regime), network, trials, key=key) for kind in ("feedback", "internal")
        )
        effective = fed.network.recurrent + fed.network.feedback @ fed.network.readout
        assert inner.network.feedback is None
        assert np.abs(effective - network.recurrent).max() > 0.01
        np.testing.assert_allclose(inner.network.recurrent, effective, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(inner.network.readout, fed.network.readout, rtol=1e-8, atol=1e-10)


class TestRidge:
    def test_recovers_the_embedder_when_nothing_else_drives_it(self, key):
        """Without output drive the currents are J^D r, so J = J^D and the network repeats the embedder."""
        trials = short_reach(key, 8)
        network = random_network()
        regime = {"embedder_gain": 1.2, "drive": 0.0}
        trained = recirc.fit(Ridge(penalties=(1e-14,), **regime), network, trials, key=key)
        init_key = jax.random.split(key)[0]
        made = embed(network, trials, gain=1.2, drive=0.0, hint_drive=0.3, key=init_key)
        rates = np.asarray(made.activity.rates).reshape(-1, N_UNITS)
        currents = np.transpose(made.currents[1:], (2, 0, 1)).reshape(-1, N_UNITS)
        planted = np.linalg.lstsq(rates, currents, rcond=None)[0].T
        np.testing.assert_allclose(trained.network.recurrent, planted, atol=1e-6)
        again = simulate(trained.network, trials, key=key).rates
        assert np.abs(again - trained.embedder.rates).max() < 1e-6

    def test_keeps_the_best_penalty(self, key):
        trials, network = short_reach(key, 8), random_network()
        penalties = (1e3, 1e-1, 1e-14)
        many = recirc.fit(Ridge(penalties=penalties, noise=0.0), network, trials, key=key)
        errors = [entry["output_nmse"] for entry in many.history]
        best = int(np.argmin(errors))
        alone = recirc.fit(Ridge(penalties=(penalties[best],), noise=0.0), network, trials, key=key)
        assert len(set(errors)) == 3
        assert np.array_equal(many.network.recurrent, alone.network.recurrent)
        own = simulate(many.network, trials, key=key).outputs
        assert np.isclose(np.sum((own - trials.targets) ** 2) / np.sum(trials.targets**2), min(errors))


class TestTraining:
    def test_full_force_learns_a_task_to_small_error(self, key):
        trials = recirc.tasks.Oscillation(duration=0.6, dt=0.002).trials(1, key=key)
        network = random_network(n_units=150, n_inputs=1, n_outputs=1, bias_scale=0.0)
        trained = recirc.fit(FullForce.paper(n_passes=40), network, trials, key=key)
        outputs = simulate(trained.network, trials, key=key).outputs
        assert float(np.sum((outputs - trials.targets) ** 2) / np.sum(trials.targets**2)) < 0.01

    def test_full_force_finds_a_planted_network_again(self, key):
        """With nothing but inputs, the embedder is an answer without error, and the only one."""
        trials, network = short_reach(key), random_network()
        regime = {"drive": 0.0, "noise": 0.0, "update_interval": 0.002, "penalty": 1e-7}
        trained = recirc.fit(FullForce(n_passes=8, warm_up=8, **regime), network, trials, key=key)
        again = simulate(trained.network, trials, key=key).rates
        assert np.abs(again - trained.embedder.rates).max() < 1e-4

    def test_warm_up_in_every_pass_is_batch_ridge(self, key):
        trials, network = short_reach(key), random_network()
        regime = {"noise": 0.0, "update_interval": 0.002, "penalty": PENALTY}
        trainer = FullForce(n_passes=2, warm_up=2, embedder_gain=0.8, drive=0.3, **regime)
        trained = recirc.fit(trainer, network, trials, key=key)
        made = embed(network, trials, gain=0.8, drive=0.3, hint_drive=1.0, key=jax.random.split(key)[0])
        rates = np.transpose(made.activity.rates, (2, 0, 1)).reshape(N_UNITS, -1)
        currents = np.transpose(made.currents[1:], (1, 2, 0)).reshape(N_UNITS, -1)
        outputs = np.transpose(trials.targets, (2, 0, 1)).reshape(N_OUTPUTS, -1)
        direct = ridge(np.tile(rates, 2), np.tile(np.concatenate([currents, outputs]), 2))
        np.testing.assert_allclose(trained.network.recurrent, direct[:N_UNITS], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(trained.network.readout, direct[N_UNITS:], rtol=1e-7, atol=1e-9)

    def test_a_larger_penalty_makes_smaller_weights(self, key):
        trials, network = short_reach(key), random_network()
        fits = [recirc.fit(FullForce(n_passes=1, penalty=p), network, trials, key=key) for p in (0.1, 10.0, 1e3)]
        norms = [float(np.linalg.norm(one.network.recurrent)) for one in fits]
        assert norms == sorted(norms, reverse=True)

    def test_groups_smaller_than_the_set_see_every_trial_once(self, key):
        """Without drive or noise and with every unit forced, the order of trials does not matter."""
        trials, network = short_reach(key), random_network()
        regime = {"n_passes": 1, "warm_up": 1, "noise": 0.0, "update_interval": 0.002}
        whole, parts = (recirc.fit(FullForce(lockstep=n, **regime), network, trials, key=key) for n in (None, 3))
        np.testing.assert_allclose(whole.network.recurrent, parts.network.recurrent, rtol=1e-6, atol=1e-9)

    def test_history_is_the_error_while_learning(self, key):
        trials, network = short_reach(key), random_network()
        calls = []
        progress = lambda *entry: calls.append(entry)  # noqa: E731
        trained = recirc.fit(FullForce(n_passes=3), network, trials, key=key, progress=progress)
        assert [entry["pass"] for entry in trained.history] == [0, 1, 2]
        assert calls == list(enumerate(trained.history))
        assert trained.history[-1]["output_nmse"] < trained.history[0]["output_nmse"]
        assert f"{trained.history[-1]['output_nmse']:.2g}" in trained.message
