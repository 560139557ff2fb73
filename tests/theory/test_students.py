"""Students recover circuits that they see whole, keep what they must, and say what is wrong with a recording."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc import circuits, compare
from recirc.train import Cornn, Curbd, LinearDynamics, OneStepRidge

N_UNITS = 24
nonlinearities = pytest.mark.parametrize("nonlinearity", [circuits.linear, jnp.tanh], ids=["linear", "tanh"])
every_kind = pytest.mark.parametrize("kind", circuits.TEACHERS)


def teacher(kind="random", nonlinearity=jnp.tanh, n_units=N_UNITS):
    return circuits.teacher(kind, n_units=n_units, key=jax.random.key(1), nonlinearity=nonlinearity).network


def watched(network, n_steps=1500, units=None, inputs_known=True, **changes):
    """A student of a driven teacher, and its trials."""
    trials = circuits.noise_trials(network.n_units, n_steps=n_steps, key=jax.random.key(2), **changes)
    units = range(network.n_units) if units is None else units
    return circuits.recorded(network, trials, units, inputs_known=inputs_known, key=jax.random.key(3))


def error(fit, network):
    return float(np.abs(fit.network.recurrent - network.recurrent).max())


class TestSeesAll:
    """Every unit and every input is known, so that the circuit is a solution, and the only one."""

    @every_kind
    @nonlinearities
    def test_ridge_recovers_every_teacher(self, kind, nonlinearity, key):
        network = teacher(kind, nonlinearity, n_units=60 if kind == "low_rank_oscillation" else N_UNITS)  # few saturate
        fit = recirc.fit(OneStepRidge(penalty=1e-13), *watched(network), key=key)
        assert error(fit, network) < 1e-6
        assert np.abs(fit.network.input_weights - network.input_weights).max() < 1e-6
        assert np.abs(fit.network.bias).max() < 1e-6
        assert fit.history[0]["one_step_r2"] > 1 - 1e-9
        assert fit.history[0]["free_run_r2"] > 1 - 1e-9

    @every_kind
    def test_the_logistic_fit_recovers_every_teacher(self, kind, key):
        network = teacher(kind, n_units=60 if kind == "low_rank_oscillation" else N_UNITS)  # few saturate
        fit = recirc.fit(Cornn(n_passes=3, penalty=1e-13), *watched(network), key=key)
        assert error(fit, network) < 1e-6

    def test_the_linear_system_of_all_components_is_the_ridge_of_a_linear_network(self, key):
        network = teacher("feedforward", circuits.linear)
        student, trials = watched(network)
        fits = [recirc.fit(each, student, trials, key=key) for each in (LinearDynamics(None), OneStepRidge())]
        np.testing.assert_allclose(fits[0].network.recurrent, fits[1].network.recurrent, atol=1e-9)

    def test_the_linear_system_has_the_rank_asked_for_and_finds_slow_components(self, key):
        network = teacher("line_attractor", circuits.linear)
        fit = recirc.fit(LinearDynamics(3), *watched(network, 8000), key=key)
        assert np.linalg.matrix_rank(fit.network.recurrent, tol=1e-9) == 3
        assert compare.linear_modes(fit.network).eigenvalues[0] == pytest.approx(-0.01, abs=0.05)

    @pytest.mark.parametrize("kind", ["random", "line_attractor"])
    def test_curbd_comes_to_the_rates_and_the_weights(self, kind, key):
        network = teacher(kind)
        fit = recirc.fit(Curbd(n_passes=20, noise=0.0, penalty=1e-3), *watched(network), key=key)
        assert fit.history[-1]["free_run_r2"] > 0.99
        correlation = np.corrcoef(np.ravel(fit.network.recurrent), np.ravel(network.recurrent))[0, 1]
        assert correlation > 0.99

    def test_curbd_as_published_is_right_at_rest(self, key):
        """Where states are held, what the leak left to be made is the state itself."""
        network = teacher()
        student, trials = watched(network, 400)
        held = trials.replace(inputs=jnp.tile(trials.inputs[:, :1], (1, 400, 1)))
        still = jnp.tile(circuits.simulate(network, held, key=key).rates[:, -1:], (1, 400, 1))
        held = held.replace(hints=still)
        fits = [recirc.fit(Curbd(n_passes=2, same_time=each), student, held, key=key) for each in (True, False)]
        np.testing.assert_allclose(fits[0].network.recurrent, fits[1].network.recurrent, atol=1e-4)


class TestNoise:
    def test_recovers_within_its_own_standard_error_and_four_times_the_data_halve_it(self, key):
        network = teacher(nonlinearity=circuits.linear)
        errors = []
        for n_steps in (40_000, 160_000):
            fit = recirc.fit(OneStepRidge(), *watched(network, n_steps, inputs_known=False), key=key)
            errors.append(np.sqrt(np.mean((fit.network.recurrent - network.recurrent) ** 2)))
        assert np.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.25)

    def test_the_logistic_fit_says_too_much_by_the_square_of_the_noise(self, key):
        """For small states the bias is a factor: every current comes out larger."""
        network = teacher()
        student, trials = watched(network, 60_000, inputs_known=False)
        logistic, ridge = (recirc.fit(each, student, trials, key=key) for each in (Cornn(), OneStepRidge()))
        slope = np.vdot(ridge.network.recurrent, logistic.network.recurrent) / np.vdot(*[ridge.network.recurrent] * 2)
        assert slope == pytest.approx(1 + 0.2**2, abs=0.01)


class TestAsPublished:
    """200 chaotic units (g = 3), seen for 3,000 steps of a tenth of tau, under a noise of .01 that nobody knows."""

    N_UNITS, N_STEPS, STEP = 200, 3000, 0.01

    def watched(self, key):
        keys = jax.random.split(key, 4)
        J = 3 * jax.random.normal(keys[0], (self.N_UNITS,) * 2) / np.sqrt(self.N_UNITS) * (1 - jnp.eye(self.N_UNITS))
        network = dataclasses.replace(
            teacher(n_units=self.N_UNITS), recurrent=J, input_weights=jnp.eye(self.N_UNITS),
            time_constant=float(-self.STEP / np.log(0.9)),
            start=jax.random.uniform(keys[1], (self.N_UNITS,), minval=-1.0),
        )  # fmt: skip
        noise = 0.01 * jax.random.normal(keys[2], (1, self.N_STEPS, self.N_UNITS))
        trials = recirc.Trials(noise, noise[:, :, :0], dt=self.STEP, conditions=["run"])
        return J, circuits.recorded(network, trials, range(self.N_UNITS), inputs_known=False, key=keys[3])

    def test_weights_of_the_logistic_fit_and_rates_of_curbd(self, key):
        """The median of Dinc et al. is r = .988 (100 networks, 100 steps); Perich et al. give none for weights."""
        found = []
        for own in jax.random.split(key, 3):
            J, (student, trials) = self.watched(own)
            fit = recirc.fit(Cornn(n_passes=20, penalty=1e-9), student, trials, key=own)
            found.append(np.corrcoef(np.ravel(fit.network.recurrent), np.ravel(J))[0, 1])
        assert np.median(found) > 0.988
        force = recirc.fit(Curbd(noise=0.0, update_interval=self.STEP), student, trials, key=key)
        assert force.history[-1]["free_run_r2"] > 0.98


class TestFeedforwardSeenInPart:
    """The effect of Qian et al., small; `benchmarks/subset.py` counts it."""

    def test_makes_slow_modes_that_are_not_there_and_none_where_all_is_seen(self, key):
        made = circuits.teacher("feedforward", n_units=200, key=jax.random.key(1))
        truth = compare.linear_modes(made)
        part, whole = (
            recirc.fit(OneStepRidge(), *watched(made.network, 10_000, units, inputs_known=known), key=key)
            for units, known in ((range(20), False), (None, True))
        )
        assert compare.n_spurious_slow(compare.linear_modes(part.network), truth) > 0
        assert compare.n_spurious_slow(compare.linear_modes(whole.network), truth) == 0

    def test_a_random_teacher_has_no_such_thing(self, key):
        made = circuits.teacher("random", n_units=200, key=jax.random.key(1))
        fit = recirc.fit(OneStepRidge(), *watched(made.network, 10_000, range(20), inputs_known=False), key=key)
        assert compare.n_spurious_slow(compare.linear_modes(fit.network), compare.linear_modes(made)) == 0


class TestConstraints:
    def test_missing_connections_are_kept_and_the_others_found(self, key):
        full = teacher()
        present = jax.random.uniform(key, full.recurrent.shape) < 0.4
        network = dataclasses.replace(full, recurrent=jnp.where(present, full.recurrent, 0.0), connections=present)
        for trainer, most in ((OneStepRidge(penalty=1e-13), 1e-6), (Curbd(penalty=1e-3, noise=0.0), 0.1)):
            fit = recirc.fit(trainer, *_sparse(network, present), key=key)
            assert not np.asarray(fit.network.recurrent)[~np.asarray(present)].any()
            assert error(fit, network) < most

    def test_dales_law_is_kept_and_the_best_weights_under_it_are_found(self, key):
        signs = jnp.where(jnp.arange(N_UNITS) < 18, 1.0, -1.0)
        free = teacher()
        lawful = dataclasses.replace(free, recurrent=jnp.abs(free.recurrent) * signs[None, :] / 3, signs=signs)
        fit = recirc.fit(OneStepRidge(penalty=1e-13), *watched(lawful), key=key)
        assert error(fit, lawful) < 1e-6
        student, trials = watched(free)
        bound = recirc.fit(OneStepRidge(), dataclasses.replace(student, signs=signs), trials, key=key)
        assert (np.asarray(bound.network.recurrent) * np.asarray(signs)[None, :] >= 0).all()

    @pytest.mark.parametrize("trainer", [Cornn(), LinearDynamics(), Curbd()])
    def test_who_cannot_keep_dales_law_says_so(self, trainer, key):
        student, trials = watched(teacher(), 100)
        student = dataclasses.replace(student, signs=jnp.ones(N_UNITS))
        with pytest.raises(ValueError, match="cannot keep Dale's law; use OneStepRidge"):
            recirc.fit(trainer, student, trials, key=key)


def _sparse(network, present):
    student, trials = watched(network)
    return dataclasses.replace(student, connections=present), trials


class TestRecording:
    def test_masked_samples_and_blocks_change_nothing(self, key, monkeypatch):
        network = teacher()
        student, trials = watched(network, 300, n_trials=3)
        mask = jnp.ones((3, 300)).at[:, 200:].set(0.0)
        spoiled = trials.replace(mask=mask, hints=trials.hints.at[:, 200:].set(0.9 * trials.hints[:, :1]))
        cut = trials.replace(
            inputs=trials.inputs[:, :200], targets=trials.targets[:, :200], hints=trials.hints[:, :200], mask=None
        )
        whole = [recirc.fit(OneStepRidge(), student, each, key=key).network.recurrent for each in (spoiled, cut)]
        monkeypatch.setattr("recirc.train.student.BLOCK", 37)
        whole.append(recirc.fit(OneStepRidge(), student, cut, key=key).network.recurrent)
        np.testing.assert_allclose(whole[1], whole[0], atol=1e-9)
        np.testing.assert_allclose(whole[2], whole[0], atol=1e-9)

    def test_the_readout_of_a_task_is_found(self, key):
        network = teacher()
        student, trials = watched(network)
        weights = np.random.default_rng(0).normal(size=(N_UNITS, 2))
        asked = trials.replace(targets=trials.hints @ weights)
        fit = recirc.fit(OneStepRidge(penalty=1e-13), _with_outputs(student), asked, key=key)
        np.testing.assert_allclose(fit.network.readout, weights.T, atol=1e-6)
        assert fit.history[0]["output_nmse"] < 1e-9

    def test_32_bits_come_to_the_same_fit(self, key):
        student, trials = watched(teacher(), 4000, inputs_known=False)
        double, single = (recirc.fit(Cornn(bits=bits), student, trials, key=key).network.recurrent for bits in (64, 32))
        assert np.abs(double - single).max() < 1e-3 * np.abs(double).max()

    def test_a_run_that_explodes_is_a_divergence(self, key):
        """Rates that grow by themselves tenfold in each of the few samples seen."""
        growing = 10.0 ** np.arange(40)[None, :, None] * np.array([1.0, -0.5]) * 1e-30
        growing[:, ::2, 1] *= -1
        student, trials = watched(teacher("random", circuits.linear, 4), 40, [0, 1], inputs_known=False)
        early = trials.replace(hints=growing, mask=jnp.ones((1, 40)).at[:, 10:].set(0.0))
        early = early.replace(hints=early.hints.at[:, 10:].set(0.0))
        fit = recirc.fit(OneStepRidge(penalty=0.0), student, early, key=key)
        assert fit.outcome is recirc.Outcome.DIVERGED
        assert "longer recording, or fewer units" in fit.message


def _with_outputs(student):
    return dataclasses.replace(student, readout=jnp.zeros((2, N_UNITS)))


class TestWhatIsWrong:
    def test_more_units_than_samples(self, key):
        with pytest.raises(ValueError, match=r"49 weights per unit \(of 24 units\) from 29 pairs"):
            recirc.fit(OneStepRidge(), *watched(teacher(), 30), key=key)

    def test_a_unit_recorded_twice(self, key):
        student, trials = watched(teacher(), 100, inputs_known=False)
        twice = trials.replace(hints=trials.hints.at[:, :, 5].set(trials.hints[:, :, 2]))
        with pytest.raises(ValueError, match="hints 2 and 5 are the same"):
            recirc.fit(OneStepRidge(), student, twice, key=key)

    def test_rates_that_depend_on_one_another(self, key):
        student, trials = watched(teacher("random", circuits.linear), 100, inputs_known=False)
        sums = trials.replace(hints=trials.hints.at[:, :, 5].set(trials.hints[:, :, 2] + trials.hints[:, :, 3]))
        with pytest.raises(ValueError, match="linear combinations of one another"):
            recirc.fit(OneStepRidge(penalty=0.0), student, sums, key=key)

    def test_other_things(self, key):
        student, trials = watched(teacher(), 100, inputs_known=False)
        wrong = {
            "have no hints": (student, trials.replace(hints=None, hint_units=())),
            "24 units, 23 hints; build the network with n_units=23": (
                student,
                trials.replace(hints=trials.hints[:, :, 1:], hint_units=()),
            ),
            "hints reach 5": (student, trials.replace(hints=trials.hints.at[0, 3, 3].set(5.0))),
            "tanh or linear": (dataclasses.replace(student, nonlinearity=jax.nn.relu), trials),
        }
        for sentence, (network, recording) in wrong.items():
            with pytest.raises(ValueError, match=sentence):
                recirc.fit(OneStepRidge(), network, recording, key=key)
        with pytest.raises(ValueError, match="30 components of 24 units"):
            recirc.fit(LinearDynamics(30), student, trials, key=key)
        with pytest.raises(ValueError, match="learns names recurrent"):
            OneStepRidge(learns=("recurrent",))
        with pytest.raises(ValueError, match="bits must be"):
            Cornn(bits=16)


class TestRegions:
    def test_currents_from_all_regions_add_up_to_the_whole(self, key):
        network = teacher()
        activity = circuits.simulate(network, circuits.noise_trials(N_UNITS, n_steps=20, key=key), key=key)
        order = np.random.default_rng(0).permutation(activity.units).tolist()
        regions = {"A": order[:5], "B": order[5:17], "C": order[17:]}
        currents = compare.region_currents(network, activity, regions)
        whole = np.asarray(activity.rates) @ np.asarray(network.recurrent).T
        for to, units in regions.items():
            index = [activity.units.index(unit) for unit in units]
            np.testing.assert_allclose(sum(currents[to, source] for source in regions), whole[..., index], atol=1e-12)

    def test_what_is_wrong_with_regions(self, key):
        network = teacher(n_units=4)
        activity = circuits.simulate(network, circuits.noise_trials(4, n_steps=5, key=key), key=key)
        for regions, sentence in (
            ({"A": ["0", "1"], "B": ["1", "2", "3"]}, "'1' is in 'A' and in 'B'; give it one region"),
            ({"A": ["0", "1"], "B": ["2"]}, "1 units are in no region, the first '3'"),
            ({"A": ["9"]}, "names unit '9'"),
        ):
            with pytest.raises(ValueError, match=sentence):
                compare.region_currents(network, activity, regions)
        with pytest.raises(ValueError, match="has 24 units and the activity 4"):
            compare.region_currents(teacher(), activity, {})
