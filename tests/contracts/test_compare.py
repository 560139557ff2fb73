"""What every similarity, null and probe must do, found by looking at what the package exports."""

import inspect

import jax
import numpy as np
import pytest
from scipy.stats import ortho_group

import recirc
from recirc import compare

EXPORTED = [getattr(compare, name) for name in compare.__all__]


def _kinds(base):
    return [
        kind
        for kind in EXPORTED
        if inspect.isclass(kind) and issubclass(kind, base) and not inspect.isabstract(kind)
    ]


SIMILARITIES = [kind() for kind in _kinds(compare.AbstractSimilarity)] + [
    compare.SVCCA(3, per_condition=True)
]
NULLS = [kind() for kind in _kinds(compare.AbstractNull)]
PROBES = [kind() for kind in _kinds(compare.AbstractProbe)]
LEVELS = {"performance", "unit", "population", "mechanism", "generalization", "robustness"}


def named(component):
    return type(component).__name__


def activity(seed, n_units=8, n_trials=6, n_steps=40):
    """Smooth noise with unequal variances, so that no comparison is degenerate."""
    random = np.random.default_rng(seed)
    rates = np.cumsum(random.normal(size=(n_trials, n_steps, n_units)), axis=1) * np.linspace(1, 2, n_units)
    labels = [str(i) for i in range(n_trials)]
    return recirc.Activity(
        rates, dt=0.01, conditions=labels, outputs=random.normal(size=(n_trials, n_steps, 4))
    )


def is_better(score, than, tolerance=1e-6):
    sign = 1 if score.direction == "higher" else -1
    return sign * (score.value - than.value) >= -tolerance


def test_something_was_found():
    assert len(SIMILARITIES) >= 5
    assert len(NULLS) >= 2
    assert len(PROBES) >= 4


@pytest.mark.parametrize("similarity", SIMILARITIES, ids=named)
class TestSimilarity:
    def test_score_is_complete(self, similarity):
        score = similarity(activity(0), activity(1, n_units=6))
        assert score.metric == score.metric.lower()
        assert np.isfinite(score.value)
        assert score.level in LEVELS
        assert score.direction in ("higher", "lower")

    def test_itself_is_the_best(self, similarity):
        a = activity(0)
        itself = similarity(a, a)
        others = [similarity(activity(seed), a) for seed in range(1, 5)]
        assert all(is_better(itself, other) for other in others)
        assert abs(itself.value - (1.0 if itself.direction == "higher" else 0.0)) < 1e-6

    def test_does_not_see_rotations_order_or_offsets_of_units(self, similarity):
        a, b = activity(0), activity(1, n_units=6)
        value = similarity(a, b).value
        rotation = ortho_group.rvs(8, random_state=0)
        order = np.random.default_rng(0).permutation(8)
        for rates in (a.rates @ rotation, a.rates[:, :, order], a.rates + np.arange(8.0)[None, None, :]):
            np.testing.assert_allclose(similarity(a.replace(rates=rates), b).value, value, atol=1e-9)

    def test_does_not_see_the_scale_of_units(self, similarity):
        a, b = activity(0), activity(1, n_units=6)
        scaled = similarity(a.replace(rates=7.0 * a.rates), b)
        np.testing.assert_allclose(scaled.value, similarity(a, b).value, atol=1e-9)

    def test_symmetry_where_claimed(self, similarity):
        a, b = activity(0), activity(1, n_units=6)
        difference = abs(similarity(a, b).value - similarity(b, a).value)
        assert (difference < 1e-9) == similarity.is_symmetric

    def test_compressed_scores_alike(self, similarity):
        a, b = activity(0, n_units=12), activity(1)
        compressed = similarity(similarity.compressed(a), similarity.compressed(b))
        np.testing.assert_allclose(compressed.value, similarity(a, b).value, atol=1e-9)

    def test_refuses_other_samples(self, similarity):
        a = activity(0)
        relabeled = a.replace(conditions=["other", *a.conditions[1:]])
        with pytest.raises(ValueError, match="other"):
            similarity(a, relabeled)
        with pytest.raises(ValueError, match="order"):
            similarity(a, a.select([1, 0, 2, 3, 4, 5]))
        with pytest.raises(ValueError, match="time axes"):
            similarity(a, compare.window(a, 0.0, 0.2))
        with pytest.raises(ValueError, match="time axes"):
            similarity(a, a.replace(dt=0.02))
        with pytest.raises(ValueError, match="two samples"):
            similarity(*[compare.window(a.select([0]), 0.0, 0.01)] * 2)
        with pytest.raises(ValueError, match="finite"):
            similarity(a.replace(rates=a.rates.at[0, 0, 0].set(np.nan)), a)

    def test_refuses_fewer_samples_than_dimensions(self, similarity):
        random = np.random.default_rng(0)
        few = recirc.Activity(
            random.normal(size=(2, 2, 30)), dt=0.1, conditions="ab", outputs=random.normal(size=(2, 2, 4))
        )
        if similarity(activity(0), activity(1)).level == "performance":
            assert similarity(few, few).value is not None  # outputs are compared sample by sample
            return
        with pytest.raises(ValueError, match="samples"):
            similarity(few, few)


@pytest.mark.parametrize("null", NULLS, ids=named)
class TestNull:
    def test_draw_has_the_same_axes_and_depends_on_the_key_alone(self, null, key):
        a = activity(0)
        first, again, other = (null.draw(a, key=k) for k in (key, key, jax.random.key(1)))
        assert (first.rates.shape, first.conditions, first.dt) == (a.rates.shape, a.conditions, a.dt)
        assert np.array_equal(first.rates, again.rates)
        assert not np.allclose(first.rates, other.rates)
        assert not np.allclose(first.rates, a.rates)

    def test_commutes_with_rotations_and_keeps_covariance_where_claimed(self, null, key):
        a = activity(0)
        rotation, mean = ortho_group.rvs(8, random_state=0), np.asarray(a.rates).mean((0, 1))
        drawn = np.asarray(null.draw(a, key=key).rates)
        rotated = np.asarray(null.draw(a.replace(rates=a.rates @ rotation), key=key).rates)
        before, after = np.reshape(np.asarray(a.rates) - mean, (-1, 8)), np.reshape(drawn - mean, (-1, 8))
        kept = np.allclose(after.T @ after, before.T @ before) and np.allclose(rotated, drawn @ rotation)
        assert kept or not null.keeps_covariance

    def test_distribution_tells_a_copy_from_chance(self, null, key):
        a = activity(0)
        found = compare.null_distribution(compare.Procrustes(), a, a, null, n_draws=30, key=key)
        assert found.kind == null.kind
        assert found.score.value < found.p95 < found.mean
        assert found.p < 0.05


@pytest.mark.parametrize("probe", PROBES, ids=named)
def test_probe_scores_outputs_with_a_condition_for_the_results(probe, key):
    trials = recirc.tasks.CenterOutReach(dt=0.005).trials(8, key=key)
    network = recirc.circuits.RateNetwork.random(n_units=10, key=key)
    score = probe(network, trials, key=key)
    assert (score.metric, score.value) == ("output_nmse", 1.0)  # no readout yet
    assert score.level in ("generalization", "robustness")
    assert isinstance(score.settings["set"], str)
    assert tuple(score.parts["condition"]) == trials.conditions
    assert score.parts["per_condition"].shape == (8,)
