"""Surrogates by what they keep, canonical correlations, linear dynamics, and the ceiling that noise sets."""

import jax
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import ortho_group

import recirc
from recirc import compare
from recirc.compare.dsa import delay_vectors
from recirc.compare.orthogonal_similarity import best_orthogonal_map
from recirc.compare.tensor_maximum_entropy import maximum_entropy_variances


def activity(rates, conditions=None):
    return recirc.Activity(rates, dt=0.01, conditions=conditions or [str(i) for i in range(len(rates))])


def smooth(seed, shape=(6, 40, 8), width=3):
    random = np.random.default_rng(seed)
    rates = gaussian_filter1d(random.normal(size=shape), width, axis=1)
    return rates @ (random.normal(size=(shape[2],) * 2) * np.exp(-np.arange(shape[2]) / 3)[:, None])


def over(rates, axis):
    flat = np.moveaxis(rates, axis, 0).reshape(rates.shape[axis], -1)
    return flat @ flat.T


def left_by_means(rates):
    for axes in ((1, 2), (0, 2), (0, 1)):
        rates = rates - rates.mean(axes, keepdims=True)
    return rates


class TestTensorMaximumEntropy:
    @pytest.mark.parametrize("shape", [(61, 50, 10), (10, 50, 61), (8, 34, 268), (3, 5, 1)])
    def test_expected_covariances_are_those_asked_for(self, shape):
        residual = left_by_means(smooth(0, shape))
        eigenvalues = [np.linalg.eigvalsh(over(residual, axis)) for axis in range(3)]
        eigenvalues = [values[values > 1e-10 * values[-1]] for values in eigenvalues]
        eigenvalues = [values * (eigenvalues[0].sum() / values.sum()) for values in eigenvalues]
        variances = maximum_entropy_variances(eigenvalues)
        assert (variances > 0).all()
        for axis, values in enumerate(eigenvalues):
            others = tuple({0, 1, 2} - {axis})
            np.testing.assert_allclose(variances.sum(others), values, rtol=1e-6)

    def test_it_is_the_flattest_of_all_with_these_covariances(self):
        """Entropy is the sum of log variances: any change that keeps the three marginals lowers it."""
        values = [np.array([4.0, 2.0, 1.0]), np.array([5.0, 2.0]), np.array([6.0, 1.0])]
        best = maximum_entropy_variances(values)
        change = np.einsum("c,t,u->ctu", [1.0, -1, 0], [1.0, -1], [1.0, -1])
        for size in (-1e-2, 1e-2):
            assert np.log(best + size * change).sum() < np.log(best).sum()
        product = np.einsum("c,t,u->ctu", *values) / 49
        assert np.log(product).sum() < np.log(best).sum()

    def test_draws_have_the_means_and_covariances_on_average(self):
        a = activity(smooth(1) + 5 * np.arange(8)[None, None, :])
        draw, rates = compare.TensorMaximumEntropy().sampler(a), np.asarray(a.rates)
        draws = np.stack([draw(np.random.default_rng(i)) for i in range(2000)])
        residual = left_by_means(rates)
        for axis in range(3):
            found = np.mean([over(drawn, axis) for drawn in draws - (rates - residual)], axis=0)
            wanted = over(residual, axis)
            assert np.linalg.norm(found - wanted) < 0.03 * np.linalg.norm(wanted)
            assert np.trace(found) == pytest.approx(np.trace(wanted), rel=0.01)
        scale = rates.std()
        for axes in ((1, 2), (0, 2), (0, 1)):
            np.testing.assert_allclose(draws.mean(0).mean(axes), rates.mean(axes), atol=0.05 * scale)

    def test_where_the_activity_has_no_variance_surrogates_have_none(self):
        rates = smooth(2)
        rates = rates - rates.mean(0)
        drawn = compare.TensorMaximumEntropy().draw(activity(rates), key=jax.random.key(0)).rates
        np.testing.assert_allclose(drawn.mean(0), 0, atol=1e-9)
        silent = np.concatenate([rates, np.zeros((6, 40, 2))], axis=2)
        assert np.isfinite(compare.TensorMaximumEntropy().draw(activity(silent), key=jax.random.key(0)).rates).all()

    def test_nothing_but_means_is_refused(self):
        rates = np.arange(3.0)[:, None, None] + np.arange(4.0)[None, :, None] + np.zeros(2)[None, None, :]
        with pytest.raises(ValueError, match="sum of its means"):
            compare.TensorMaximumEntropy().draw(activity(rates), key=jax.random.key(0))


class TestPermutationsAndShifts:
    def test_permuted_units_keep_their_courses_and_lose_agreement(self):
        a = activity(smooth(0))
        drawn = np.asarray(compare.PermutedConditionsPerUnit().draw(a, key=jax.random.key(0)).rates)
        rates = np.asarray(a.rates)
        orders = []
        for unit in range(8):
            match = np.abs(drawn[:, None, :, unit] - rates[None, :, :, unit]).max(2) < 1e-9
            assert (match.sum(0) == 1).all()
            assert (match.sum(1) == 1).all()
            orders.append(tuple(match.argmax(1)))
        assert len(set(orders)) > 4

    def test_more_candidates_come_nearer_to_the_covariance(self):
        a = activity(smooth(0))
        wanted = over(np.asarray(a.rates) - np.mean(np.asarray(a.rates), (0, 1)), 2)

        def distance(n_candidates):
            null = compare.PermutedConditionsPerUnit(n_candidates)
            draws = [np.asarray(null.draw(a, key=jax.random.key(i)).rates) for i in range(20)]
            return np.mean([np.linalg.norm(over(drawn - drawn.mean((0, 1)), 2) - wanted) for drawn in draws])

        assert distance(50) < 0.9 * distance(1)

    def test_repeats_of_a_condition_move_together(self):
        a = activity(smooth(3), ["x", "y", "z", "x", "y", "z"])
        drawn = np.asarray(compare.PermutedConditionsPerUnit().draw(a, key=jax.random.key(2)).rates)
        rates = np.asarray(a.rates)
        for unit in range(8):
            match = np.abs(drawn[:, None, :, unit] - rates[None, :, :, unit]).max(2) < 1e-9
            source = match.argmax(1)
            np.testing.assert_array_equal(source[3:], source[:3] + 3)

    def test_shifts_are_circular_and_one_per_unit(self):
        a = activity(smooth(0))
        drawn = np.asarray(compare.TimeShifted().draw(a, key=jax.random.key(0)).rates)
        lags = []
        for unit in range(8):
            course = np.asarray(a.rates)[:, :, unit]
            fits = [lag for lag in range(40) if np.array_equal(np.roll(course, lag, 1), drawn[:, :, unit])]
            assert len(fits) == 1
            lags += fits
        assert len(set(lags)) > 4

    def test_bad_use(self):
        with pytest.raises(ValueError, match="n_candidates"):
            compare.PermutedConditionsPerUnit(0)
        with pytest.raises(ValueError, match="change places"):
            compare.PermutedConditionsPerUnit().draw(activity(smooth(0)[:1]), key=jax.random.key(0))


class TestCCA:
    def test_it_does_not_see_invertible_maps_of_components(self):
        a, b = smooth(0), smooth(1)
        shear = np.eye(8) + np.triu(np.full((8, 8), 0.7), 1)
        measure = compare.CCA(8, 3)
        value = measure(activity(a), activity(b)).value
        assert measure(activity(a @ shear), activity(b)).value == pytest.approx(value, abs=1e-8)
        assert compare.Procrustes()(activity(a @ shear), activity(a)).value > 0.1
        assert measure(activity(a @ shear), activity(a)).value == pytest.approx(1, abs=1e-8)

    def test_it_finds_what_is_shared_and_no_more(self):
        random = np.random.default_rng(0)
        shared = random.normal(size=(6, 200, 2))
        a, b = (np.concatenate([shared, random.normal(size=(6, 200, 4))], 2) for _ in "ab")
        score = compare.CCA(6, 2)(activity(a), activity(b))
        assert score.metric == "cca_mean2"
        assert score.value == pytest.approx(1, abs=1e-9)
        assert compare.CCA(6, 3)(activity(a), activity(b)).value < 0.8
        assert score.parts["correlation"][2] < 0.3

    def test_smooth_noise_reaches_high_values_by_chance(self):
        a, b = (activity(smooth(seed, (8, 34, 40), 4)) for seed in (0, 1))
        assert compare.CCA()(a, b).value > 0.5
        null = compare.ShuffledConditions()
        assert compare.null_distribution(compare.CCA(), a, b, null, n_draws=30, key=jax.random.key(0)).p > 0.05

    def test_bad_use(self):
        for n_averaged in (0, 11):
            with pytest.raises(ValueError, match="n_averaged"):
                compare.CCA(10, n_averaged)


def turning(frequencies, seed=0, n_trials=6, n_steps=100, decay=0.0):
    """Trials of independent rotations at these frequencies (Hz), from random states, in random units."""
    random, time = np.random.default_rng(seed), np.arange(n_steps) * 0.01
    states = []
    for frequency in frequencies:
        start = random.normal(size=(n_trials, 1)) + 1j * random.normal(size=(n_trials, 1))
        course = start * np.exp((2j * np.pi * frequency - decay) * time)[None]
        states += [course.real, course.imag]
    return activity(np.stack(states, 2) @ ortho_group.rvs(2 * len(frequencies), random_state=seed))


class TestDSA:
    @pytest.mark.parametrize("rank", [1, 2, 5, 10])
    def test_rotated_and_reflected_matrices_are_equal(self, rank):
        random = np.random.default_rng(rank)
        for _ in range(3):
            a = np.eye(rank) + 0.3 * random.normal(size=(rank, rank))
            q = np.linalg.qr(random.normal(size=(rank, rank)))[0]
            for turn in (q, q * np.where(np.arange(rank) == 0, -1, 1)):
                b = turn @ a @ turn.T
                found = best_orthogonal_map(a, b)
                np.testing.assert_allclose(found @ found.T, np.eye(rank), atol=1e-9)
                np.testing.assert_allclose(found @ b @ found.T, a, atol=1e-6)

    def test_normal_matrices_have_a_known_optimum(self):
        """For symmetric matrices it pairs eigenvalues in order (von Neumann)."""
        random = np.random.default_rng(0)
        a, b = (side + side.T for side in random.normal(size=(2, 7, 7)))
        turn = best_orthogonal_map(a, b)
        wanted = np.linalg.eigvalsh(a) @ np.linalg.eigvalsh(b)
        assert np.sum(a * (turn @ b @ turn.T)) == pytest.approx(wanted, rel=1e-9)

    def test_the_search_reaches_what_many_more_starts_reach(self):
        random = np.random.default_rng(1)
        for _ in range(4):
            a, b = random.normal(size=(2, 6, 6))
            reached = [
                np.sum(a * (turn @ b @ turn.T)) for turn in (best_orthogonal_map(a, b, n_starts=n) for n in (64, 500))
            ]
            assert reached[0] >= reached[1] - 1e-9

    def test_equal_systems_are_near_and_other_frequencies_far(self):
        measure = compare.DSA(rank=4, n_components=4)
        a = turning([1.0, 2.5])
        same, other = turning([1.0, 2.5], seed=1), turning([3.0, 6.0], seed=1)
        assert measure(a, same).value < 0.02
        assert measure(a, other).value > 10 * measure(a, same).value
        assert measure(a, other).value == pytest.approx(measure(other, a).value, abs=1e-12)
        by_distance = [measure(a, turning([1.0, 2.5 + extra], seed=1)).value for extra in (0.5, 1.5, 3.0)]
        assert by_distance == sorted(by_distance)

    def test_prediction_error_of_left_out_conditions_tells_dynamics_from_noise(self):
        measure = compare.DSA(rank=4, n_components=4, n_delays=1)
        parts = measure(turning([2.0, 4.0]), activity(np.random.default_rng(0).normal(size=(6, 100, 4)))).parts
        assert parts["heldout_error"][0] < 1e-4 < parts["persistence_error"][0]
        assert parts["heldout_error"][1] > 0.9

    def test_left_out_conditions_by_brute_force(self):
        measure, a = compare.DSA(rank=3, n_components=3, n_delays=1, penalty=0.0), activity(smooth(0))
        states, _ = delay_vectors(a.rates, measure)
        states /= states.std((0, 1))
        error = 0.0
        for left in range(6):
            rest = np.delete(states, left, axis=0)
            now, following = (side.reshape(-1, 3) for side in (rest[:, :-1], rest[:, 1:]))
            fit = np.linalg.lstsq(now, following, rcond=None)[0]
            error += np.sum((states[left, 1:] - states[left, :-1] @ fit) ** 2)
        wanted = error / np.sum(states[:, 1:] ** 2)
        assert measure(a, a).parts["heldout_error"][0] == pytest.approx(wanted, rel=1e-9)

    def test_order_of_conditions_is_invisible(self):
        a, b = activity(smooth(0)), activity(smooth(1))
        shuffled = compare.ShuffledConditions().draw(a, key=jax.random.key(0))
        assert compare.DSA()(shuffled, b).value == pytest.approx(compare.DSA()(a, b).value, abs=1e-9)

    def test_bad_use(self):
        for name in ("rank", "n_delays", "interval", "n_components", "n_starts"):
            with pytest.raises(ValueError, match=name):
                compare.DSA(**{name: 0})
        with pytest.raises(ValueError, match="penalty"):
            compare.DSA(penalty=-1.0)
        a = activity(smooth(0))
        with pytest.raises(ValueError, match="too few for 40 delays"):
            compare.DSA(n_delays=40)(a, a)
        with pytest.warns(UserWarning, match="ranks are 2"):
            assert compare.DSA(n_delays=1)(activity(smooth(0)[:, :, :2]), a).settings["rank"] == 2


class Mean(compare.AbstractPortrait):
    metric, direction, labels = "mean", "higher", {"mean": "mean"}

    def __call__(self, a):
        return recirc.types.Score("mean", float(np.mean(np.asarray(a.rates))), "unit")


def named(value):
    return type(value).__name__


class TestCeiling:
    def trials(self, noise=1.0, n_repeats=10, seed=0):
        random = np.random.default_rng(seed)
        truth = smooth(9, (6, 60, 4)) / smooth(9, (6, 60, 4)).std((0, 1))
        rates = truth[np.repeat(np.arange(6), n_repeats)]
        rates = rates + noise * random.normal(size=rates.shape)
        return activity(rates, [str(i) for i in np.repeat(np.arange(6), n_repeats)]), truth

    @pytest.mark.parametrize("measure", [compare.SVCCA(2), compare.LinearCKA(), compare.Procrustes()], ids=named)
    @pytest.mark.parametrize("is_noisy", [False, True])
    def test_a_perfect_model_and_another_recording_reach_their_ceilings(self, measure, is_noisy):
        found, reached = [], []
        for seed in range(12):
            (trials, truth), (others, _) = (self.trials(2.0, 10, start + seed) for start in (0, 100))
            found.append(compare.noise_ceiling(measure, trials, is_noisy=is_noisy, n_draws=6, key=jax.random.key(seed)))
            first, second = (
                activity(np.asarray(side.rates).reshape(6, 10, 60, 4).mean(1)) for side in (trials, others)
            )
            reached.append(measure(first, second if is_noisy else activity(truth)).value)
        tolerance = 0.02 if measure.direction == "lower" else 0.01
        assert np.mean([ceiling.value for ceiling in found]) == pytest.approx(np.mean(reached), abs=tolerance)
        assert all(low <= value <= high for value, (low, high), _ in found)

    def test_without_noise_the_ceiling_is_the_best_score(self):
        ceiling = compare.noise_ceiling(compare.Procrustes(), self.trials(0.0)[0], key=jax.random.key(0))
        assert ceiling.value == pytest.approx(0, abs=1e-6)

    def test_a_ceiling_needs_trials(self):
        with pytest.raises(ValueError, match="two trials of every condition"):
            compare.noise_ceiling(compare.Procrustes(), self.trials()[0].select([0, 1, 10]), key=jax.random.key(0))

    def test_no_noise_is_the_best_score_and_the_truth_is_nearer_than_halves(self):
        quiet, truth = self.trials(0.0)
        ceiling = compare.split_half_ceiling(compare.Procrustes(), quiet, key=jax.random.key(0))
        assert ceiling.value == pytest.approx(0, abs=1e-6)
        assert ceiling.direction == "lower"
        noisy, _ = self.trials(1.0)
        ceiling = compare.split_half_ceiling(
            compare.Procrustes(), noisy, activity(truth), key=jax.random.key(0), n_splits=5
        )
        assert ceiling.reached < ceiling.interval[0] <= ceiling.value <= ceiling.interval[1]
        assert ceiling.values.shape == (5,)

    def test_a_portraits_ceiling_is_the_difference_of_halves(self):
        trials, _ = self.trials(1.0)
        ceiling = compare.split_half_ceiling(Mean(), trials, key=jax.random.key(0))
        shifted = trials.replace(rates=trials.rates + 3.0)
        against = compare.split_half_ceiling(Mean(), trials, shifted, key=jax.random.key(0))
        assert ceiling.metric == "mean_difference"
        assert 0 < ceiling.value < 0.1
        assert against.reached == pytest.approx(3.0, abs=0.1)
        assert np.isnan(ceiling.reached)

    def test_halves_are_disjoint_and_equally_large(self):
        rates = 2.0 ** np.arange(5)[:, None, None] + np.zeros((5, 3, 1))
        seen = []

        class Spy(Mean):
            def __call__(self, a):
                seen.append(int(2 * np.asarray(a.rates)[0, 0, 0]))  # one bit per trial
                return recirc.types.Score("spy", 0.0, "unit")

        compare.split_half_ceiling(Spy(), activity(rates, list("aaaaa")), key=jax.random.key(0), n_splits=9)
        pairs = list(zip(seen[1::2], seen[2::2]))  # the first call asks for the name of the metric
        assert len(pairs) == 9
        assert all(one.bit_count() == other.bit_count() == 2 and one & other == 0 for one, other in pairs)
        assert len(set(pairs)) > 3

    def test_bad_use(self):
        trials, _ = self.trials()
        with pytest.raises(ValueError, match="two trials of every condition"):
            compare.split_half_ceiling(Mean(), trials.select([0, 1, 10]), key=jax.random.key(0))
        with pytest.raises(ValueError, match="0 splits"):
            compare.split_half_ceiling(Mean(), trials, key=jax.random.key(0), n_splits=0)
