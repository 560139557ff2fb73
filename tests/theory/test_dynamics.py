"""Linear dynamics that are known: beside a twin, at another speed, that only leak, and driven by other inputs."""

import jax
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import ortho_group

import recirc
from recirc import compare
from recirc.analyses.reference import rows_beside
from recirc.analyses.table import frame
from recirc.analyses.verdict_config import Reference, VerdictConfig

LABELS = [str(45 * i) for i in range(8)]
KEY = jax.random.key(0)


def modes(frequencies, seed, decay=1.0, noise=0.03):
    """Rotations (Hz) that decay, from random states, seen by 30 units in random coordinates, with smooth noise."""
    random, time = np.random.default_rng(seed), np.arange(80) * 0.01
    states = []
    for frequency in frequencies:
        start = random.normal(size=(8, 1)) + 1j * random.normal(size=(8, 1))
        course = start * np.exp((2j * np.pi * frequency - decay) * time)[None]
        states += [course.real, course.imag]
    rates = np.stack(states, 2) @ random.normal(size=(len(states), 30))
    rates += noise * rates.std() * gaussian_filter1d(random.normal(size=rates.shape), 2, axis=1)
    return recirc.Activity(rates, dt=0.01, conditions=LABELS)


class TestBesideTwins:
    measure = compare.DSA(n_components=8, rank=8)

    @pytest.mark.parametrize("seed", [0, 10, 20])
    def test_the_same_dynamics_in_other_coordinates_are_at_one_and_a_twin_at_zero(self, seed):
        reference, same, twin, another = (
            modes(frequencies, seed + i) for i, frequencies in enumerate([(0.5, 3), (0.5, 3), (2, 6), (2, 6)])
        )
        found = compare.beside_twins(self.measure, same, reference, [twin], key=KEY)
        assert found.scale == pytest.approx(1, abs=0.25)
        assert found.difference > 0
        assert found.speed_ratio == pytest.approx(1, abs=0.1)
        none = compare.beside_twins(self.measure, another, reference, [twin, modes((2, 6), seed + 4)], key=KEY)
        assert none.scale == pytest.approx(0, abs=0.25)
        assert none.speed_ratio > 1.4
        assert len(none.twins) == 2

    def test_a_score_that_is_better_when_higher(self):
        reference = modes((1, 2), 0)
        twin = modes((2, 5), 1)
        found = compare.beside_twins(compare.LinearCKA(), reference, reference, [twin], key=KEY)
        assert found.difference > 0
        assert found.scale == pytest.approx(1, abs=0.1)
        assert np.isnan([found.identity, found.speed_ratio]).all()

    def test_a_twin_as_near_as_a_half_leaves_nothing_to_tell(self):
        reference = modes((1, 2), 0)
        found = compare.beside_twins(compare.LinearCKA(), modes((2, 5), 1), reference, [reference], key=KEY)
        assert np.isnan(found.scale) or found.scale < 0
        wrong = compare.BesideTwins(found.score, network=0.1, halves=0.2, twins=np.array([0.3]))
        assert np.isnan(wrong.scale)
        assert "nothing can be told" in wrong.sentence

    def test_what_only_leaks_is_said_to_be_slow(self):
        def leak(seed):
            random, time = np.random.default_rng(seed), np.arange(80) * 0.01
            rates = np.exp(-time / 1.0)[None, :, None] * random.normal(size=(8, 1, 30))
            rates += 0.01 * gaussian_filter1d(random.normal(size=rates.shape), 2, axis=1)
            return recirc.Activity(rates, dt=0.01, conditions=LABELS)

        measure = compare.DSA(n_components=4, rank=4, n_delays=1)
        found = compare.beside_twins(measure, leak(0), leak(1), [leak(2)], key=KEY)
        assert found.identity < 0.02
        assert "little but slowness" in found.sentence
        moving = compare.beside_twins(self.measure, modes((0.5, 3), 0), modes((0.5, 3), 1), [modes((2, 6), 2)], key=KEY)
        assert "slowness" not in moving.sentence
        assert "stays where it is" not in moving.sentence
        other = compare.beside_twins(self.measure, modes((2, 8), 0), modes((0.5, 3), 1), [modes((2, 6), 2)], key=KEY)
        assert "stays where it is would be as near" in other.sentence

    def test_rows_beside_a_reference_have_the_twins(self):
        config = VerdictConfig(soft=None, n_draws=9, n_resamples=9, n_splits=19).resolved(modes((0.5, 3), 0), 30)
        reference, twins = Reference(modes((0.5, 3), 0)), [modes((2, 6), 2)]
        table = frame(rows_beside(modes((0.5, 3), 1), reference, config, key=KEY, twins=twins)).set_index("metric")
        assert table.loc["dsa", "value"] < compare.DSA()(reference.activity, twins[0]).value
        assert table.loc["dsa_scale", "value"] > 0.5
        assert table.loc["dsa_speed_ratio", "value"] == pytest.approx(1, abs=0.2)
        assert table.loc["dsa_identity", "value"] > 0.02

    def test_bad_use(self):
        reference = modes((1, 2), 0)
        with pytest.raises(ValueError, match="0 twins"):
            compare.beside_twins(self.measure, reference, reference, [], key=KEY)
        with pytest.raises(ValueError, match="1 units of the reference"):
            compare.beside_twins(self.measure, reference, reference.select_units(["3"]), [reference], key=KEY)


def test_no_null_is_certified_and_rotations_that_share_nothing_pass_it():
    """Why: surrogates do not rotate, so that any two that do are nearer than they."""
    measure, (null,) = compare.DSA(), compare.DSA.nulls
    a, b = modes((0.5, 3), 0, noise=0.1), modes((2, 6), 1, noise=0.1)
    found = compare.null_distribution(measure, a, b, null, n_draws=19, key=KEY)
    assert found.p <= 0.1
    assert not found.is_certified


def test_surrogates_of_both_sides_are_independent():
    a, null = modes((0.5, 3), 0), compare.FlippedComponents(of_both=True)
    measure = compare.DSA(n_components=4, rank=4)
    found = compare.null_distribution(measure, a, a, null, n_draws=5, key=KEY)
    assert found.draws.min() > 10 * found.score.value  # one draw for both would leave them equal
    again = compare.null_distribution(measure, a, a, null, n_draws=5, key=KEY)
    np.testing.assert_array_equal(found.draws, again.draws)


def test_the_same_flow_at_twice_the_speed():
    measure = compare.DSA(n_components=4, rank=4)
    slow, fast = modes((1, 2.5), 0, noise=0), modes((2, 5), 1, decay=2, noise=0)
    other = measure(slow, modes((1, 5), 2, noise=0)).parts
    found = measure(slow, fast)
    assert found.parts["speed_ratio"] == pytest.approx(2, abs=0.03)
    assert measure(fast, slow).parts["speed_ratio"] == pytest.approx(0.5, abs=0.01)
    assert found.value > 0.1  # which is all that the plain angle says
    assert found.parts["flow_angle"] < 0.5 * other["flow_angle"]
    np.testing.assert_allclose(found.parts["identity_angle"], measure(fast, slow).parts["identity_angle"][::-1])
    known = 2 * np.tan(np.pi * 0.01 * np.array([1, 2.5])) / 0.01
    assert found.parts["speed"][0] == pytest.approx(np.sqrt((known**2).mean() + 1), rel=0.01)


def driven(state, into, inputs, seed):
    """x' = A x + B u from random states, in random coordinates, and the trials that drove it."""
    random, (n_trials, n_steps, _) = np.random.default_rng(seed), inputs.shape
    x, course = random.normal(size=(n_trials, len(state))), []
    for t in range(n_steps):
        x = x @ state.T + inputs[:, t] @ into.T
        course.append(x)
    rates = np.stack(course, 1) @ ortho_group.rvs(len(state), random_state=seed)
    activity = recirc.Activity(rates, dt=0.01, conditions=LABELS)
    return activity, recirc.Trials(inputs, np.zeros((n_trials, n_steps, 1)), dt=0.01, conditions=LABELS)


def system(frequencies, seed):
    state = np.zeros((6, 6))
    for i, frequency in enumerate(frequencies):
        turn, at = 2 * np.pi * frequency * 0.01, slice(2 * i, 2 * i + 2)
        state[at, at] = (1 - 0.01 * (i + 1)) * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    random = np.random.default_rng(seed)
    return state + np.triu(random.normal(size=(6, 6)), 1) * 0.01, random.normal(size=(6, 2))


class TestInputDSA:
    exact = compare.InputDSA(n_components=6, rank=6, penalty=0.0)
    plain = compare.DSA(n_components=6, rank=6, n_delays=1)
    random = np.random.default_rng(0)
    fast = 0.2 * gaussian_filter1d(random.normal(size=(8, 100, 2)), 3, axis=1)
    slow = 0.2 * np.cumsum(random.normal(size=(8, 100, 2)), axis=1) + np.array([2.0, -3.0])

    def test_planted_matrices_are_found_under_other_inputs_where_plain_dsa_is_fooled(self):
        (state, into), (changed, _) = system((1, 3, 6), 0), system((1, 3.5, 6), 0)
        a, of_a = driven(state, into, self.fast, 0)
        same, of_same = driven(state, into, self.slow, 1)
        other, of_other = driven(changed, into, self.fast, 2)
        found, apart = self.exact(a, same, of_a, of_same), self.exact(a, other, of_a, of_other)
        assert max(found.value, found.parts["input_angle"], *found.parts["joint"]) < 1e-6
        assert max(found.parts["heldout_error"]) < 1e-12
        assert apart.value > 1e-2
        for matrix, drive in zip(found.parts["matrices"], found.parts["input_matrices"]):
            np.testing.assert_allclose(np.poly(matrix), np.poly(state), atol=1e-8)
            ratio = np.linalg.svd(drive, compute_uv=False) / np.linalg.svd(into, compute_uv=False)
            assert ratio[0] == pytest.approx(ratio[1], rel=1e-8)
        assert self.plain(a, same).value > self.plain(a, other).value

    def test_state_and_input_matrices_are_told_apart(self):
        (state, into), (changed, elsewhere) = system((1, 3, 6), 0), system((2, 4.5, 8), 1)
        a, of_a = driven(state, into, self.fast, 0)
        other_state, of_state = driven(changed, into, self.fast, 1)
        other_input, of_input = driven(state, elsewhere, self.fast, 2)
        one, two = self.exact(a, other_state, of_a, of_state), self.exact(a, other_input, of_a, of_input)
        assert one.parts["input_angle"] < 1e-6 < 1e-2 < one.value
        assert two.value < 1e-6 < 1e-2 < two.parts["input_angle"]
        assert two.parts["joint"][1] > two.parts["input_angle"]
        assert one.value == pytest.approx(self.exact(other_state, a, of_state, of_a).value, abs=1e-9)

    def test_inputs_on_a_finer_clock_are_averaged_over_each_step(self):
        (state, into) = system((1, 3, 6), 0)
        a, of_a = driven(state, into, self.fast, 0)
        fine = recirc.Trials(np.repeat(self.fast, 10, axis=1), np.zeros((8, 1000, 1)), dt=0.001, conditions=LABELS)
        assert self.exact(a, a, of_a, fine).value < 1e-6
        part = compare.window(a, 0.2, 0.8)
        assert self.exact(part, part, fine, of_a).parts["heldout_error"].max() < 1e-12

    def test_a_network_under_its_trials(self):
        trials = recirc.tasks.DelayedReach(hold=0.2, delay=0.5).trials(8, key=KEY)
        networks = [
            recirc.circuits.RateNetwork.random(n_units=60, n_inputs=3, n_outputs=4, key=jax.random.key(i))
            for i in range(2)
        ]
        a, b = (recirc.simulate(network, trials, key=KEY) for network in networks)
        found = compare.InputDSA(rank=6)(a, b, trials, trials)
        assert found.value > compare.InputDSA(rank=6)(a, a, trials, trials).value
        assert (found.parts["heldout_error"] < found.parts["persistence_error"]).all()

    def test_bad_use(self):
        (state, into) = system((1, 3, 6), 0)
        a, trials = driven(state, into, self.fast, 0)
        with pytest.raises(ValueError, match="give the trials that drove it"):
            self.exact(a, a, trials, trials.replace(conditions=LABELS[::-1]))
        with pytest.raises(ValueError, match="no multiple"):
            self.exact(a, a, trials, trials.replace(dt=0.015))
        with pytest.raises(ValueError, match="set `start`"):
            self.exact(a.replace(start=-0.5), a.replace(start=-0.5), trials, trials)
        with pytest.raises(ValueError, match="1 inputs and the second 2"):
            self.exact(a, a, trials.replace(inputs=self.fast[:, :, :1]), trials)
        silent = self.fast * np.array([1.0, 0.0])
        with pytest.warns(UserWarning, match=r"inputs \[1\]"):
            self.exact(a, a, trials.replace(inputs=silent), trials)
        with pytest.raises(ValueError, match="compare with DSA"):
            self.exact(a, a, trials.replace(inputs=0 * silent), trials)
        with pytest.raises(ValueError, match="rank must be at least 1"):
            compare.InputDSA(rank=0)
