"""Portraits against brute force and planted answers, and what they can and cannot see."""

import jax
import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from scipy.stats import ortho_group
from sklearn.decomposition import PCA

import recirc
from recirc import compare
from recirc.compare.jpca import skew_symmetric_fit

OFF = np.inf


def activity(rates, **more):
    labels = [str(i) for i in range(len(rates))]
    return recirc.Activity(rates, **({"dt": 0.01, "conditions": labels} | more))


def smooth(seed, n_units=12, n_trials=6, n_steps=40):
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(size=(n_trials, n_steps, n_units)), axis=1)
    return walk * np.linspace(1, 3, n_units)


def rotating(speeds, n_units=10, n_steps=50, seed=0):
    """One plane per speed (rad per step), each with conditions at its own phases, in random orthogonal axes."""
    at = 2 * np.pi * np.arange(8)[:, None] / 8
    angles = [(i + 1) * at + speed * np.arange(n_steps) for i, speed in enumerate(speeds)]
    planes = np.concatenate([np.stack([np.cos(x), np.sin(x)], axis=-1) for x in angles], axis=-1)
    return activity(planes @ ortho_group.rvs(n_units, random_state=seed)[: 2 * len(speeds)])


def without_mean(rates):
    return rates - rates.mean(axis=0)


class TestSoftNormalization:
    def test_divides_by_range_and_constant(self):
        rates = smooth(0)
        found = compare.soft_normalized(activity(rates), 5.0).rates
        np.testing.assert_allclose(found, rates / (np.ptp(rates.reshape(-1, 12), axis=0) + 5.0))

    def test_equal_ranges_without_a_constant_and_no_change_at_infinity(self):
        a = activity(smooth(0))
        equal, same = (compare.soft_normalized(a, constant).rates for constant in (0.0, OFF))
        np.testing.assert_allclose(np.ptp(np.asarray(equal), axis=(0, 1)), 1.0)
        np.testing.assert_array_equal(same, a.rates)

    def test_the_range_is_of_averages_over_repeats(self):
        one = activity(smooth(0))
        noisy = [one.replace(rates=one.rates + noise) for noise in (30.0, -30.0)]
        twice = one.replace(rates=np.concatenate([side.rates for side in noisy]), conditions=one.conditions * 2)
        averaged = np.asarray(compare.soft_normalized(twice, 5.0).rates).reshape(2, *one.rates.shape).mean(0)
        np.testing.assert_allclose(averaged, compare.soft_normalized(one, 5.0).rates, atol=1e-12)

    def test_the_constant_of_a_model_scales_with_its_rates(self):
        recording = activity(smooth(0))
        model = activity(0.01 * smooth(1))
        middle = np.median(np.ptp(np.asarray(model.rates), axis=(0, 1)))
        assert compare.soft_constant(model) == pytest.approx(0.2 * middle)
        assert compare.soft_constant(recording, recording, 5.0) == pytest.approx(5.0)
        scaled = model.replace(rates=3.0 * model.rates)
        expected = 3 * compare.soft_constant(model, recording)
        assert compare.soft_constant(scaled, recording) == pytest.approx(expected)

    def test_scale_of_all_rates_is_not_seen_with_the_rule_for_models(self):
        a = activity(smooth(0))
        for measure in (compare.JPCA(4, soft=None), compare.ParticipationRatio(soft=None)):
            scaled = measure(a.replace(rates=1e-3 * a.rates)).value
            assert scaled == pytest.approx(measure(a).value, abs=1e-9)


class TestJPCA:
    def test_planted_rotations_are_recovered(self):
        speeds = np.array([0.2, 0.08])
        planes = compare.JPCA(4, soft=OFF).fit(rotating(speeds[::-1]))
        np.testing.assert_allclose(2 * np.pi * 0.01 * planes.frequency_hz, np.sin(speeds), rtol=1e-9)
        np.testing.assert_allclose(planes.frequency_hz, speeds / (2 * np.pi * 0.01), rtol=0.01)
        np.testing.assert_allclose(planes.variance, 0.5, rtol=1e-9)
        np.testing.assert_allclose(planes.phase, np.pi / 2 + speeds / 2, rtol=1e-9)
        np.testing.assert_allclose(planes.rotation, np.cos(speeds / 2), rtol=1e-9)
        truth = ortho_group.rvs(10, random_state=0)[2:4]  # the faster was planted second
        overlap = np.linalg.svd(truth @ planes.axes[:, :2], compute_uv=False)
        np.testing.assert_allclose(overlap, 1.0, rtol=1e-9)

    def test_skew_fit_is_least_squares_over_a_skew_basis(self):
        random = np.random.default_rng(0)
        x, dx = random.normal(size=(2, 50, 5)) * np.linspace(1, 20, 5)
        pairs = np.transpose(np.triu_indices(5, 1))
        basis = np.zeros((len(pairs), 5, 5))
        for element, (i, j) in zip(basis, pairs):
            element[i, j], element[j, i] = 1.0, -1.0
        weights = np.linalg.lstsq((x @ basis).reshape(len(pairs), -1).T, dx.ravel(), rcond=None)[0]
        np.testing.assert_allclose(skew_symmetric_fit(x, dx), np.tensordot(weights, basis, axes=1), atol=1e-10)

    def test_matches_the_definition_step_by_step(self):
        rates = smooth(0)
        left = without_mean(rates / (np.ptp(rates, axis=(0, 1)) + 5.0))[:, 10:30]
        states = PCA(4, svd_solver="full").fit_transform(left.reshape(-1, 12)).reshape(6, 20, 4)
        x, dx = states[:, :-1].reshape(-1, 4), np.diff(states, axis=1).reshape(-1, 4)
        matrices = np.linalg.lstsq(x, dx, rcond=None)[0], skew_symmetric_fit(x, dx)
        expected = [1 - ((dx - x @ m) ** 2).sum() / (dx**2).sum() for m in matrices]
        parts = compare.JPCA(4, start=0.1, stop=0.3)(activity(rates)).parts
        np.testing.assert_allclose([parts["r2_best"], parts["r2_skew"]], expected, rtol=1e-9)
        turning = np.sort(np.linalg.eigvals(matrices[1]).imag)[::-1][:2]
        np.testing.assert_allclose(parts["frequency_hz"], turning / (2 * np.pi * 0.01), rtol=1e-9)

    def test_normalization_is_over_all_times_not_the_window(self):
        a = activity(smooth(0))
        inside = compare.JPCA(4, start=0.1, stop=0.3)(a).value
        cut = compare.JPCA(4)(compare.window(a, 0.1, 0.3)).value
        off = [compare.JPCA(4, soft=OFF, start=0.1, stop=0.3)(a).value]
        off.append(compare.JPCA(4, soft=OFF)(compare.window(a, 0.1, 0.3)).value)
        assert abs(inside - cut) > 1e-6
        assert off[0] == pytest.approx(off[1], abs=1e-12)

    @pytest.mark.parametrize("seed", range(5))
    def test_skew_is_never_better_than_best(self, seed):
        parts = compare.JPCA(4)(activity(smooth(seed))).parts
        assert 0 <= parts["r2_skew"] <= parts["r2_best"] <= 1
        assert parts["ratio"] == parts["r2_skew"] / parts["r2_best"]

    @pytest.mark.parametrize("statistic", ["ratio", "r2_skew", "r2_best"])
    def test_value_and_window_are_named(self, statistic):
        a = activity(smooth(0), start=-0.1)
        score = compare.JPCA(4, statistic=statistic)(a)
        assert score.metric == f"jpca_{statistic}"
        assert score.value == score.parts[statistic]
        assert (score.settings["start"], score.settings["stop"]) == (-0.1, 0.3)
        cut = compare.JPCA(4, start=0.0, stop=0.2)(a).settings
        assert (cut["start"], cut["stop"], cut["n_components"], cut["soft"]) == (0.0, 0.2, 4, 5.0)

    def test_order_of_units_and_conditions_is_not_seen(self):
        a, measure = activity(smooth(0)), compare.JPCA(4)
        order = np.random.default_rng(0).permutation(12)
        shuffled = a.select_units([a.units[i] for i in order]).select([3, 1, 5, 0, 2, 4])
        assert measure(shuffled).value == pytest.approx(measure(a).value, abs=1e-9)

    def test_rotations_are_not_seen_without_normalization_and_scales_not_with(self):
        a, rotation = activity(smooth(0)), ortho_group.rvs(12, random_state=1)
        rotated = a.replace(rates=a.rates @ rotation + 3.0)
        found = [compare.JPCA(4, soft=OFF)(side).parts for side in (a, rotated)]
        np.testing.assert_allclose(found[0]["ratio"], found[1]["ratio"], atol=1e-9)
        np.testing.assert_allclose(found[0]["variance"], found[1]["variance"], atol=1e-9)
        scaled = a.replace(rates=a.rates * np.linspace(0.1, 9, 12)[None, None, :])
        found = [compare.JPCA(4, soft=0.0)(side).value for side in (a, scaled)]
        assert found[0] == pytest.approx(found[1], abs=1e-9)

    def test_what_conditions_share_is_not_seen(self):
        rates = smooth(0)
        common = 100 * np.cumsum(np.random.default_rng(9).normal(size=(1, 40, 12)), axis=1)
        found = [compare.JPCA(4, soft=OFF)(activity(side)).value for side in (rates, rates + common)]
        assert found[0] == pytest.approx(found[1], abs=1e-9)

    def test_expansion_is_no_rotation(self):
        grown = np.exp(0.05 * np.arange(30))[None, :, None]
        start = without_mean(np.random.default_rng(0).normal(size=(8, 1, 4)))
        planes = compare.JPCA(4, soft=OFF).fit(activity(start * grown))
        assert planes.r2_best == pytest.approx(1.0)
        assert planes.r2_skew == pytest.approx(0.0, abs=1e-12)
        np.testing.assert_allclose(planes.axes.T @ planes.axes, np.eye(4), atol=1e-9)

    def test_planes_stay_orthonormal_beside_one_that_does_not_turn(self):
        still = np.asarray(rotating([0.1, 0.0]).rates)
        drift = without_mean(np.random.default_rng(0).normal(size=(8, 1, 10))) * np.linspace(0, 1, 50)[:, None]
        for rates in (still, still + drift):
            axes = compare.JPCA(4, soft=OFF).fit(activity(rates)).axes
            np.testing.assert_allclose(axes.T @ axes, np.eye(4), atol=1e-9)

    def test_coordinates_turn_counterclockwise_from_a_spread_on_the_first_axis(self):
        a = activity(smooth(3))
        planes = compare.JPCA(4, soft=OFF, start=0.1, stop=0.4).fit(a)
        states = planes.project(a)
        assert states.shape == (6, 30, 4)
        phases, rotations = [], []
        for pair in (states[..., :2], states[..., 2:]):
            x, dx = pair[:, :-1], np.diff(pair, axis=1)
            assert (x[..., 0] * dx[..., 1] - x[..., 1] * dx[..., 0]).sum() > 0
            z, dz = (side[..., 0] + 1j * side[..., 1] for side in (x, dx))
            turns = np.angle(dz / z)
            phases.append(np.angle((np.abs(z) * np.exp(1j * turns)).sum()))
            rotations.append(np.cos(turns - np.pi / 2).mean())
            spread = pair[:, 0].T @ pair[:, 0]
            assert abs(spread[0, 1]) < 1e-9 * spread[0, 0]
            assert spread[0, 0] >= spread[1, 1]
            assert pair[..., 1].max() >= -pair[..., 1].min()
        np.testing.assert_allclose(planes.phase, phases, atol=1e-9)
        np.testing.assert_allclose(planes.rotation, rotations, atol=1e-9)
        total = (without_mean(np.asarray(a.rates))[:, 10:] ** 2).sum()
        held = (states**2).sum(axis=(0, 1)).reshape(2, 2).sum(axis=1)
        np.testing.assert_allclose(planes.variance, held / total, rtol=1e-9)

    def test_single_trials_scatter_about_the_condition_that_was_fitted(self):
        one = activity(smooth(0))
        noise = np.random.default_rng(1).normal(size=one.rates.shape)
        twice = one.replace(rates=np.concatenate([one.rates + noise, one.rates - noise]), conditions=one.conditions * 2)
        planes = compare.JPCA(4).fit(twice)
        trials = planes.project(twice)
        assert trials.shape == (12, 40, 4)
        np.testing.assert_allclose((trials[:6] + trials[6:]) / 2, planes.project(one), atol=1e-9)
        assert compare.JPCA(4)(twice).value == pytest.approx(compare.JPCA(4)(one).value, abs=1e-9)

    def test_a_null_tells_rotation_from_noise_of_equal_smoothness(self):
        found = compare.null_distribution(
            compare.JPCA(4, soft=OFF, statistic="r2_skew"),
            rotating([0.2, 0.08]),
            None,
            compare.PhaseRandomized(),
            n_draws=20,
            key=jax.random.key(0),
        )
        assert found.score.value > found.p95
        assert found.p < 0.05


class TestParticipationRatio:
    def test_equal_variances_count_themselves(self):
        basis = np.linalg.qr(np.random.default_rng(0).normal(size=(400, 8)))[0]
        basis = np.linalg.qr(np.hstack([np.ones((400, 1)), basis]))[0][:, 1:6]
        rates = (basis @ ortho_group.rvs(9, random_state=0)[:5]).reshape(8, 50, 9)
        score = compare.ParticipationRatio(soft=OFF)(activity(rates))
        assert score.value == pytest.approx(5.0, abs=1e-9)
        assert score.parts["n_components_90"] == 5

    @pytest.mark.parametrize("subtract", [False, True])
    def test_shares_are_those_of_principal_components(self, subtract):
        rates = smooth(0)
        score = compare.ParticipationRatio(soft=OFF, subtract_condition_mean=subtract)(activity(rates))
        samples = (without_mean(rates) if subtract else rates).reshape(-1, 12)
        share = PCA(svd_solver="full").fit(samples).explained_variance_ratio_
        np.testing.assert_allclose(score.parts["variance_share"], share, atol=1e-9)
        assert score.value == pytest.approx(1 / (share**2).sum())
        assert share[: score.parts["n_components_90"]].sum() >= 0.9
        assert share[: score.parts["n_components_90"] - 1].sum() < 0.9


class TestAlignmentIndex:
    EPOCHS = ((0.0, 0.2), (0.2, 0.4))

    def measure(self, n_components=3, soft=OFF):
        return compare.AlignmentIndex(*self.EPOCHS, n_components, soft)

    def test_matches_the_definition(self):
        rates = smooth(0)
        left = without_mean(rates / (np.ptp(rates, axis=(0, 1)) + 5.0))
        first, second = (left[:, part].reshape(-1, 12) for part in (slice(0, 20), slice(20, 40)))
        axes = PCA(3, svd_solver="full").fit(first).components_
        covariance = np.cov(second.T)
        expected = np.trace(axes @ covariance @ axes.T) / np.linalg.svd(covariance)[1][:3].sum()
        assert self.measure(soft=5.0)(activity(rates)).value == pytest.approx(expected, abs=1e-9)

    def test_one_for_shared_and_zero_for_orthogonal_dimensions(self):
        half = np.random.default_rng(0).normal(size=(6, 20, 3))
        silent, axes = np.zeros_like(half), ortho_group.rvs(12, random_state=0)[:6]
        for other, expected in ((half, 1.0), (silent, 0.0)):
            second = np.concatenate([other, half - other], axis=2)
            first = np.concatenate([half, silent], axis=2)
            a = activity(np.concatenate([first, second], axis=1) @ axes)
            assert self.measure()(a).value == pytest.approx(expected, abs=1e-9)

    def test_rotations_and_all_dimensions(self):
        a = activity(smooth(0))
        rotated = a.replace(rates=a.rates @ ortho_group.rvs(12, random_state=0))
        assert self.measure()(rotated).value == pytest.approx(self.measure()(a).value, abs=1e-9)
        assert self.measure(12)(a).value == pytest.approx(1.0, abs=1e-9)
        swapped = compare.AlignmentIndex(self.EPOCHS[1], self.EPOCHS[0], 3, OFF)(a)
        assert self.measure()(a).parts["reversed"] == pytest.approx(swapped.value, abs=1e-12)

    def test_random_subspaces_are_uniform_where_the_activity_is_isotropic(self, key):
        """All units vary alike and independently over all times; the second epoch has one of them alone."""
        n_units, signs = 6, np.array([1.0, -1.0])
        course = np.zeros((4 * n_units, n_units))
        for unit in range(n_units):
            course[4 * unit : 4 * unit + 4, unit] = 1.0
        a = activity(signs[:, None, None] * course)
        measure = compare.AlignmentIndex((0.04, 0.24), (0.0, 0.04), 1, OFF)
        with pytest.warns(UserWarning, match="4 samples for 1 dimensions"):
            null = compare.random_subspaces(measure, a, n_draws=4000, key=key)
        uniform = scipy.stats.beta(0.5, (n_units - 1) / 2)
        assert scipy.stats.kstest(null.draws, uniform.cdf).pvalue > 0.01
        assert null.score.value == pytest.approx(0.0, abs=1e-12)
        assert null.p == pytest.approx(1 / 4001)
        assert null.p95 == pytest.approx(uniform.ppf(0.05), abs=0.002)

    def test_random_subspaces_follow_the_covariance_of_the_activity(self, key):
        rates, n_draws = smooth(0), 400
        a, measure = activity(rates), self.measure()
        null = compare.random_subspaces(measure, a, n_draws=n_draws, key=key)
        whole = without_mean(rates)
        values, vectors = np.linalg.eigh(np.cov(whole.reshape(-1, 12).T))
        covariance, random = np.cov(whole[:, 20:].reshape(-1, 12).T), np.random.default_rng(1)
        draws = []
        for _ in range(n_draws):
            basis = scipy.linalg.orth(vectors @ (np.sqrt(values)[:, None] * random.normal(size=(12, 3))))
            draws.append(np.trace(basis.T @ covariance @ basis) / np.linalg.eigvalsh(covariance)[-3:].sum())
        assert scipy.stats.ks_2samp(null.draws, draws).pvalue > 0.01
        assert null.p == (1 + (null.draws <= null.score.value).sum()) / (1 + n_draws)
        again = compare.random_subspaces(measure, a, n_draws=n_draws, key=key)
        assert np.array_equal(null.draws, again.draws)


class TestTangling:
    def test_matches_the_definition_pair_by_pair(self):
        rates = smooth(0, n_trials=3, n_steps=15)
        score = compare.Tangling(4, soft=5.0, every=0.02)(activity(rates))
        scaled = (rates / (np.ptp(rates, axis=(0, 1)) + 5.0)).reshape(-1, 12)
        states = PCA(4, svd_solver="full").fit_transform(scaled).reshape(3, 15, 4)
        x = states[:, 1::2].reshape(-1, 4)
        dx = (np.diff(states, axis=1) / 0.01)[:, ::2].reshape(-1, 4)
        floor = 0.1 * states.reshape(-1, 4).var(axis=0).sum()
        q = [
            max(((dx[i] - dx[j]) ** 2).sum() / (((x[i] - x[j]) ** 2).sum() + floor) for j in range(len(x)))
            for i in range(len(x))
        ]
        np.testing.assert_allclose(score.parts["q"].ravel(), q, rtol=1e-9)
        assert score.value == pytest.approx(np.percentile(q, 95))
        assert score.parts["q"].shape == (3, len(score.parts["time"]))

    def test_blocks_change_nothing(self, monkeypatch):
        a = activity(smooth(0, n_trials=8, n_steps=80))
        blocked = compare.Tangling()(a).parts["q"]
        monkeypatch.setattr("recirc.compare.tangling.BLOCK", 10_000)
        np.testing.assert_array_equal(compare.Tangling()(a).parts["q"], blocked)

    def test_rotations_are_not_seen_and_speed_is_squared(self):
        a, measure = activity(smooth(0)), compare.Tangling(soft=OFF)
        rotated = a.replace(rates=a.rates @ ortho_group.rvs(12, random_state=0) + 1.0)
        assert measure(rotated).value == pytest.approx(measure(a).value)
        fast = compare.Tangling(soft=OFF, every=0.01)(a.replace(dt=0.005)).value
        assert fast == pytest.approx(4 * measure(a).value)

    def test_outputs_are_divided_by_their_range_alone(self):
        rates = smooth(0, n_units=4)
        a = activity(smooth(1), outputs=rates)
        found = compare.Tangling(of="outputs")(a)
        assert found.value == compare.Tangling(soft=0.0)(activity(rates)).value
        assert found.settings["soft"] == 0.0
        assert found.settings["n_components"] == 4


class TestUnitFeatures:
    ANGLES = np.deg2rad(np.arange(0, 360, 45))
    EPOCHS = ((0.0, 0.4), (0.4, 1.0))

    def tuned(self, preparation, movement, course):
        """A unit with preferred directions (degrees) and depths in both epochs, and a course in movement."""
        time = (np.arange(100) + 1) * 0.01
        parts = [
            gain * np.cos(self.ANGLES[:, None] - np.deg2rad(place)) * shape
            for (place, gain), shape in (
                (preparation, (time <= 0.4).astype(float)),
                (movement, np.where(time > 0.4, course((time - 0.4) / 0.6), 0.0)),
            )
        ]
        return 5 + sum(parts)

    def features(self, *units, **settings):
        labels = [f"{angle:g}" for angle in np.rad2deg(self.ANGLES)]
        a = recirc.Activity(np.stack(units, axis=2), dt=0.01, conditions=labels)
        return compare.UnitFeatures(*self.EPOCHS, **settings)(a)

    def test_planted_tuning_is_read(self):
        bump = lambda s: np.sin(np.pi * s) ** 2  # noqa: E731
        score = self.features(
            self.tuned((30, 1.0), (30, 2.0), bump),
            self.tuned((30, 1.0), (120, 2.0), bump),
            self.tuned((30, 1.0), (210, 2.0), bump),
            feature="direction_change",
        )
        np.testing.assert_allclose(score.parts["preparatory_direction"], 30, atol=1e-9)
        np.testing.assert_allclose(score.parts["movement_direction"], [30, 120, 210], atol=1e-9)
        np.testing.assert_allclose(score.parts["direction_change"], [0, 90, 180], atol=1e-6)
        np.testing.assert_allclose(score.parts["tuning_correlation"], [1, 0, -1], atol=1e-9)
        np.testing.assert_allclose(score.parts["peak_time"], 0.3, atol=1e-9)
        np.testing.assert_allclose(score.parts["preparatory_tuning"], score.parts["movement_tuning"], rtol=0.01)
        np.testing.assert_allclose(score.parts["preparatory_tuning"], 0.5, rtol=0.05)
        assert score.value == pytest.approx(90)
        assert score.unit == "degree"

    def test_phases_are_counted(self):
        shapes = [
            lambda s: s,
            lambda s: np.sin(np.pi * s),
            lambda s: np.sin(2 * np.pi * s),
            lambda s: np.sin(np.pi * s) + 0.05 * np.sin(6 * np.pi * s),
        ]
        score = self.features(*(self.tuned((0, 1.0), (60, 2.0), shape) for shape in shapes), feature="multiphasic")
        assert score.parts["multiphasic"].tolist() == [False, False, True, False]
        assert score.value == 0.25

    def test_scale_and_offset_of_units_are_not_seen(self):
        rates = smooth(0)
        changed = rates * np.linspace(0.1, 9, 12) + np.arange(12.0)
        found = [compare.UnitFeatures((0.0, 0.2), (0.2, 0.4))(activity(side)).parts for side in (rates, changed)]
        for name, values in found[0].items():
            if name != "units":
                np.testing.assert_allclose(values, found[1][name], atol=1e-9)

    def test_the_same_units_are_alike_in_any_order(self, key):
        a = activity(smooth(0, n_units=40))
        features = compare.UnitFeatures((0.0, 0.2), (0.2, 0.4))
        shuffled = a.select_units(np.random.default_rng(0).permutation(a.units).tolist())
        found = compare.unit_feature_distance(features(shuffled), features(a), key=key)
        assert found.value == 0
        assert found.parts["inside"].all()
        assert (found.parts["distance"] <= found.parts["floor"]).all()

    def test_samples_of_one_population_are_closer_than_another(self, key):
        random, bump = np.random.default_rng(0), lambda s: np.sin(np.pi * s) ** 2
        units = [
            [self.tuned((random.uniform(0, 360), 1), (random.uniform(0, 360), g + random.random()), bump)
             for _ in range(60)]
            for g in (1, 1, 4)
        ]  # fmt: skip
        reference, like, unlike = (self.features(*group) for group in units)
        near, far = (compare.unit_feature_distance(side, reference, key=key) for side in (like, unlike))
        row = far.parts["feature"].tolist().index("preparatory_tuning")
        assert near.value < far.value
        assert near.parts["distance"][row] <= near.parts["floor_p95"][row]
        assert far.parts["distance"][row] == 1
        assert not far.parts["inside"][row]
        values = [side.parts["preparatory_tuning"] for side in (unlike, reference)]
        assert far.parts["distance"][row] == scipy.stats.ks_2samp(*values).statistic
