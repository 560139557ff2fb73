"""What surrogates keep, and how often chance is mistaken for similarity."""

import jax
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

import recirc
from recirc import compare
from recirc.compare.jpca import STATISTICS


def smooth(random, n_conditions=6, n_steps=50, n_units=4, decay=0.0):
    """Smooth periodic noise in every condition apart, of unequal variances, decaying by exp(-decay)."""
    rates = gaussian_filter1d(random.normal(size=(n_conditions, n_steps, n_units)), 4, axis=1, mode="wrap")
    rates = rates * np.exp(-decay * np.arange(n_steps) / n_steps)[None, :, None]
    rates = rates @ random.normal(size=(n_units, n_units))
    return recirc.Activity(rates, dt=0.01, conditions=[str(i) for i in range(n_conditions)])


def false_alarms(measure, null, n_tests, decay=0.0):
    """Share of unrelated pairs with p <= 0.05; 19 draws make 0.05 the smallest p."""
    random = np.random.default_rng(0)
    p = [
        compare.null_distribution(
            measure, smooth(random, decay=decay), smooth(random, decay=decay), null, n_draws=19, key=jax.random.key(i)
        ).p
        for i in range(n_tests)
    ]
    return np.mean(np.array(p) < 0.052)


@pytest.mark.parametrize(
    ("measure", "null", "decay"),
    [
        (compare.Procrustes(), compare.ShuffledConditions(), 3.0),
        (compare.Procrustes(), compare.PhaseRandomized(), 0.0),
        (compare.SVCCA(2), compare.FlippedComponents(), 3.0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_false_alarms_are_five_in_a_hundred(measure, null, decay):
    assert 0.02 <= false_alarms(measure, null, 200, decay) <= 0.09


def test_phase_randomization_takes_a_common_envelope_for_similarity():
    assert false_alarms(compare.Procrustes(), compare.PhaseRandomized(), 30, decay=3.0) > 0.3


def test_phase_randomization_keeps_spectra_and_means():
    for n_steps in (80, 81):
        a = smooth(np.random.default_rng(0), n_steps=n_steps)
        drawn = compare.PhaseRandomized().draw(a, key=jax.random.key(0))
        power = [np.abs(np.fft.rfft(np.asarray(side.rates), axis=1)) for side in (a, drawn)]
        np.testing.assert_allclose(power[1], power[0], atol=1e-9)
        np.testing.assert_allclose(drawn.rates.mean(1), a.rates.mean(1), atol=1e-12)


def test_flipped_components_keep_the_variance_over_time_on_average():
    a = smooth(np.random.default_rng(0), n_conditions=8, decay=3.0)
    mean = np.asarray(a.rates).mean((0, 1))
    draws = [np.asarray(compare.FlippedComponents().draw(a, key=jax.random.key(i)).rates) for i in range(200)]
    power = np.mean([((drawn - mean) ** 2).sum((0, 2)) for drawn in draws], axis=0)
    np.testing.assert_allclose(power, ((np.asarray(a.rates) - mean) ** 2).sum((0, 2)), rtol=0.25)


def test_shuffling_moves_whole_conditions():
    random = np.random.default_rng(0)
    a = recirc.Activity(random.normal(size=(4, 5, 3)), dt=0.01, conditions="xyxy")
    draws = [np.asarray(compare.ShuffledConditions().draw(a, key=jax.random.key(seed)).rates) for seed in range(20)]
    same, swapped = (
        [np.array_equal(drawn, np.asarray(a.rates)[order]) for drawn in draws] for order in ([0, 1, 2, 3], [1, 0, 3, 2])
    )
    assert sum(same) + sum(swapped) == 20
    assert 0 < sum(swapped) < 20


def test_p_counts_the_draws_at_least_as_good_and_respects_direction():
    random = np.random.default_rng(0)
    a, b = smooth(random), smooth(random)
    for measure in (compare.LinearCKA(), compare.Procrustes()):
        found = compare.null_distribution(measure, a, b, compare.PhaseRandomized(), n_draws=50, key=jax.random.key(0))
        sign = 1 if found.score.direction == "higher" else -1
        as_good = np.sum(sign * found.draws >= sign * found.score.value)
        assert found.p == pytest.approx((1 + as_good) / 51)
        assert np.mean(sign * found.draws > sign * found.p95) == pytest.approx(0.05, abs=0.02)


def test_few_conditions_cannot_make_a_small_p():
    a = smooth(np.random.default_rng(0), n_conditions=3)
    found = compare.null_distribution(
        compare.Procrustes(), a, a, compare.ShuffledConditions(), n_draws=200, key=jax.random.key(0)
    )
    assert found.p == pytest.approx(1 / 6)
    assert len(found.draws) == 5  # each other order once


@pytest.mark.parametrize("null", [compare.ShuffledConditions(), compare.PhaseRandomized()])
@pytest.mark.parametrize("measure", [compare.SVCCA(3), compare.SVCCA(3, per_condition=True), compare.LinearCKA()])
def test_draws_on_components_equal_draws_on_units(measure, null):
    random = np.random.default_rng(0)
    a, b, key = smooth(random, n_units=9), smooth(random), jax.random.key(0)
    found = compare.null_distribution(measure, a, b, null, n_draws=3, key=key)
    plain = [measure(null.draw(a, key=jax.random.fold_in(key, i)), b).value for i in range(3)]
    np.testing.assert_allclose(found.draws, plain, atol=1e-8)


def test_a_portrait_has_a_null_too():
    class Speed(compare.AbstractPortrait):
        metric, direction, labels = "speed", "higher", {"speed": "speed"}

        def __call__(self, a):
            return recirc.types.Score("speed", float(np.sum(np.diff(np.asarray(a.rates), axis=1) ** 2)), "population")

    a = smooth(np.random.default_rng(0))
    found = compare.null_distribution(Speed(), a, None, compare.PhaseRandomized(), n_draws=5, key=jax.random.key(0))
    assert found.draws.shape == (5,)


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_score_that_is_no_number_is_not_beyond_chance(better):
    class Nothing(compare.AbstractPortrait):
        metric, direction, labels = "nothing", better, {"nothing": "nothing"}

        def __call__(self, a):
            return self.score(float("nan"))

    a = smooth(np.random.default_rng(0))
    found = compare.null_distribution(Nothing(), a, None, compare.PhaseRandomized(), n_draws=9, key=jax.random.key(0))
    assert found.p == 1


def test_portraits_share_surrogates_and_fits(monkeypatch):
    a, null, key = smooth(np.random.default_rng(0)), compare.TensorMaximumEntropy(), jax.random.key(0)
    portraits = [compare.JPCA(4, soft=None), compare.Tangling(4, soft=None)]
    apart = [compare.JPCA(4, soft=None, statistic=name) for name in STATISTICS] + portraits[1:]
    expected = [compare.null_distribution(each, a, None, null, n_draws=5, key=key) for each in apart]
    calls = {"fits": 0, "surrogates": 0}

    def counted(what, function):
        def call(*args, **kwargs):
            calls[what] += 1
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(compare.JPCA, "fit", counted("fits", compare.JPCA.fit))
    draw = counted("surrogates", null.sampler(a))
    monkeypatch.setattr(compare.TensorMaximumEntropy, "sampler", lambda self, a: draw)
    found = compare.null_distributions(portraits, a, null, n_draws=5, key=key)
    assert calls == {"fits": 6, "surrogates": 5}
    assert list(found) == [each.score.metric for each in expected]
    for one, other in zip(found.values(), expected):
        assert (one.score.value, one.bounds, one.score.settings) == (
            other.score.value,
            other.bounds,
            other.score.settings,
        )
        np.testing.assert_array_equal(one.draws, other.draws)
