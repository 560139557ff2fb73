"""What every similarity, portrait, null and probe must do, found by looking at what the package exports."""

import dataclasses
import inspect
import json
from typing import ClassVar

import jax
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import ortho_group

import recirc
from recirc import compare
from recirc.compare.base import UNITS
from recirc.compare.samples import paired_samples


class Matching(compare.AbstractSimilarity):
    """Mean correlation of units paired one to one: a stranger, which sees rotations as none of ours does."""

    metric: ClassVar[str] = "matched_units"
    label: ClassVar[str] = "matched units"
    direction: ClassVar[str] = "higher"
    blind_to: ClassVar[frozenset[str]] = frozenset({"permutations", "offsets", "scale", "unit scales"})
    nulls: ClassVar[tuple] = (compare.ShuffledConditions(), compare.FlippedComponents())
    is_symmetric: ClassVar[bool] = True

    def __call__(self, a, b):
        x, y = paired_samples(a, b)
        correlation = np.corrcoef(x.T, y.T)[: x.shape[1], x.shape[1] :]
        return self.score(correlation[linear_sum_assignment(correlation, maximize=True)].mean())


SIMILARITIES = [
    *compare.similarities(),
    *compare.similarities("unit"),
    *compare.similarities("performance"),
    compare.SVCCA(3, per_condition=True),
    Matching(),
]
NULLS = [kind() for kind in compare.family(compare.AbstractNull)]


def _kicked_states():
    """Of a circuit that a map shows as it is."""
    trials = recirc.tasks.CenterOutReach(dt=0.005).trials(8, key=jax.random.key(0))
    circuit = recirc.circuits.RateNetwork.random(n_units=10, key=jax.random.key(0))
    made = recirc.simulate(circuit, trials, key=jax.random.key(0))
    return compare.KickedStates(circuit, trials, compare.NeuronMap.fit(made, made))


WITH_ARGUMENTS = {compare.KickedStates: _kicked_states}
PROBES = [WITH_ARGUMENTS.get(kind, kind)() for kind in compare.family(compare.AbstractProbe)]
EPOCHS = {"first": (0.0, 0.2), "second": (0.2, 0.4), "preparation": (0.0, 0.2), "movement": (0.2, 0.4)}
PORTRAITS = [
    kind(**{name: EPOCHS[name] for name in EPOCHS if name in inspect.signature(kind).parameters})
    for kind in compare.family(compare.AbstractPortrait)
] + [compare.Tangling(of="outputs"), compare.ParticipationRatio(subtract_condition_mean=True)]


def _units_changed(change):
    return lambda a: a.replace(rates=change(np.asarray(a.rates), np.arange(1.0, len(a.units) + 1)))


CHANGES = {
    "permutations": _units_changed(lambda rates, units: rates[:, :, ::-1]),
    "rotations": _units_changed(lambda rates, units: rates @ ortho_group.rvs(len(units), random_state=0)),
    "offsets": _units_changed(lambda rates, units: rates + units),
    "scale": _units_changed(lambda rates, units: 7.0 * rates),
    "unit scales": _units_changed(lambda rates, units: rates * units),
    "invertible maps": _units_changed(lambda rates, units: rates @ (np.eye(len(units)) + np.tri(len(units), k=-1))),
    "order of conditions": lambda a: a.select([3, 5, 0, 1, 4, 2]).replace(conditions=a.conditions),
}


def named(component):
    return type(component).__name__


def activity(seed, n_units=8, n_trials=6, n_steps=40):
    """Smooth noise with unequal variances, so that no comparison is degenerate."""
    random = np.random.default_rng(seed)
    rates = np.cumsum(random.normal(size=(n_trials, n_steps, n_units)), axis=1) * np.linspace(1, 2, n_units)
    labels = [str(i) for i in range(n_trials)]
    return recirc.Activity(rates, dt=0.01, conditions=labels, outputs=random.normal(size=(n_trials, n_steps, 4)))


def is_better(score, than, tolerance=1e-6):
    sign = 1 if score.direction == "higher" else -1
    return sign * (score.value - than.value) >= -tolerance


def test_something_was_found():
    assert [each.metric for each in SIMILARITIES[:2]] == ["svcca5_concatenated", "svcca5_per_condition"]
    assert {each.level for each in SIMILARITIES} == {"population", "unit", "performance"}
    assert len(NULLS) >= 2
    assert len(PROBES) >= 4
    assert len(PORTRAITS) >= 7


def test_every_metric_has_one_label():
    labels = compare.labels()
    assert len(set(labels.values())) == len(labels) >= 20
    assert all(name == name.lower() and label for name, label in labels.items())


def test_a_similarity_is_found_by_its_export_alone(monkeypatch):
    before = compare.similarities()
    monkeypatch.setattr(compare, "Matching", Matching, raising=False)
    assert compare.similarities() == [*before, Matching()]
    assert compare.labels()["matched_units"] == "matched units"


def test_blindness_is_said_in_words_that_can_be_tested():
    assert set().union(*(each.blind_to for each in SIMILARITIES)) <= set(CHANGES)
    assert set(CHANGES) == UNITS | {"order of conditions"}


@pytest.mark.parametrize("similarity", SIMILARITIES, ids=named)
class TestSimilarity:
    def test_score_is_complete_and_what_the_class_says(self, similarity):
        a, b = activity(0, n_units=12), activity(1, n_units=11)
        score = similarity(a, b)
        assert score.metric == score.metric.lower()
        assert np.isfinite(score.value)
        said = similarity.metric, similarity.level, similarity.direction
        assert (score.metric, score.level, score.direction) == said
        assert 0 < len(similarity.label) <= 34
        assert {type(each) for each in similarity.variants()} == {type(similarity)}
        assert [each.value for each in similarity.scores(a, b)] == [score.value]

    def test_itself_is_the_best(self, similarity):
        a = activity(0, n_units=12)
        itself = similarity(a, a)
        others = [similarity(activity(seed, n_units=11), a) for seed in range(1, 5)]
        assert all(is_better(itself, other) for other in others)
        best = 1.0 if itself.direction == "higher" else 0.0
        assert (abs(itself.value - best) < 1e-6) != similarity.estimates_populations

    @pytest.mark.parametrize("change", CHANGES)
    def test_is_blind_to_what_it_says_and_to_nothing_else(self, similarity, change):
        a, b = activity(0, n_units=12), activity(1, n_units=11)
        change_of_a, change_of_b = CHANGES[change](a), CHANGES[change](b)
        value = similarity(a, b).value
        differences = [abs(similarity(*pair).value - value) for pair in ((change_of_a, b), (a, change_of_b))]
        assert [difference < 1e-9 for difference in differences] == [change in similarity.blind_to] * 2

    def test_its_nulls_make_it_worse(self, similarity, key):
        assert bool(similarity.nulls) == (similarity.level != "performance")
        a = activity(0, n_units=12)
        for null in similarity.nulls:
            found = compare.null_distribution(similarity, a, a, null, n_draws=5, key=key)
            assert np.isfinite(found.draws).all()
            assert found.p < 0.2, f"{null.kind} leaves it as it is"

    def test_symmetry_where_claimed(self, similarity):
        a, b = activity(0, n_units=12), activity(1, n_units=11)
        difference = abs(similarity(a, b).value - similarity(b, a).value)
        assert (difference < 1e-9) == similarity.is_symmetric

    def test_compressed_scores_alike(self, similarity):
        a, b = activity(0, n_units=12), activity(1, n_units=11)
        compressed = similarity(similarity.compressed(a), similarity.compressed(b))
        np.testing.assert_allclose(compressed.value, similarity(a, b).value, atol=1e-9)

    @pytest.mark.parametrize("is_flat", [False, True])
    @pytest.mark.filterwarnings("ignore:an activity has under", "ignore:1 constant units")
    def test_surrogates_have_the_scores_of_the_measure_itself(self, similarity, is_flat, key):
        if similarity.level == "performance":
            return
        a, b = activity(0, n_units=12), activity(1, n_units=11)
        if is_flat:  # three dimensions, and a constant unit
            mixed = np.asarray(a.rates)[..., :3] @ np.vander(np.linspace(1, 2, 12), 3).T
            a = a.replace(rates=mixed * (np.arange(12) > 0))
        for null in (each for each in NULLS if each.keeps_covariance):
            if is_flat and null.kind == "phase_randomized":  # which takes unequal numbers of repeats
                a, b = (side.replace(conditions=list("aaabcc")) for side in (a, b))
            found = compare.null_distribution(similarity, a, b, null, n_draws=3, key=key)
            drawn = [null.draw(a, key=jax.random.fold_in(key, i)) for i in range(3)]
            np.testing.assert_allclose(found.draws, [similarity(each, b).value for each in drawn], atol=1e-8)

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
        if similarity.level == "performance":
            assert similarity(few, few).value is not None  # outputs are compared sample by sample
            return
        with pytest.raises(ValueError, match="samples"):
            similarity(few, few)


@pytest.mark.parametrize("portrait", PORTRAITS, ids=named)
class TestPortrait:
    def test_score_is_complete_and_says_every_setting(self, portrait):
        score = portrait(activity(0))
        assert score.metric == score.metric.lower()
        assert isinstance(score.value, float)
        assert np.isfinite(score.value)
        said = portrait.metric, portrait.level, portrait.direction
        assert (score.metric, score.level, score.direction) == said
        assert portrait.metric in portrait.labels
        assert {field.name for field in dataclasses.fields(portrait)} <= set(score.settings)
        assert json.loads(json.dumps(score.settings, allow_nan=False))
        assert all(isinstance(part, np.ndarray) for part in score.parts.values())

    def test_scores_of_one_computation_are_those_of_separate_calls(self, portrait):
        scores = {score.metric: score for score in portrait.scores(activity(0))}
        assert set(scores) <= set(portrait.labels)
        assert scores[portrait.metric].value == portrait(activity(0)).value

    def test_windows_are_printed_in_seconds(self, portrait):
        windows = {"start", "stop"} & {field.name for field in dataclasses.fields(portrait)}
        settings = portrait(activity(0).replace(start=0.0)).settings
        assert {name: settings[name] for name in windows} == {
            name: {"start": 0.0, "stop": 0.4}[name] for name in windows
        }

    def test_the_same_bits_again_and_the_activity_as_it_was(self, portrait):
        a = activity(0)
        before = [np.array(part) for part in (a.rates, a.outputs)]
        first, again = portrait(a), portrait(a)
        assert first.value == again.value
        assert all(np.array_equal(part, again.parts[name]) for name, part in _numbers(first).items())
        assert all(np.array_equal(old, new) for old, new in zip(before, (a.rates, a.outputs)))

    def test_order_of_conditions_and_units_is_not_seen(self, portrait):
        a = activity(0)
        shuffled = a.select([3, 5, 0, 1, 4, 2]).select_units([a.units[i] for i in (7, 2, 0, 1, 5, 6, 4, 3)])
        assert portrait(shuffled).value == pytest.approx(portrait(a).value, abs=1e-9)

    def test_repeats_count_as_their_average(self, portrait):
        a = activity(0)
        noise = np.random.default_rng(1).normal(size=a.rates.shape)
        both = [a.rates + noise, a.rates - noise]
        repeated = recirc.Activity(
            np.concatenate(both), dt=a.dt, conditions=a.conditions * 2, outputs=np.concatenate([a.outputs] * 2)
        )
        assert portrait(repeated).value == pytest.approx(portrait(a).value, abs=1e-9)

    def test_works_under_a_null(self, portrait, key):
        if "outputs" in vars(portrait).values():
            pytest.skip("nulls are of rates")
        found = compare.null_distribution(portrait, activity(0), None, compare.PhaseRandomized(), n_draws=5, key=key)
        assert np.isfinite(found.draws).all()
        assert 0 < found.p <= 1

    def test_refuses_rates_that_are_not_finite(self, portrait):
        a = activity(0)
        bad = a.replace(rates=a.rates.at[0, 0, 0].set(np.nan), outputs=a.outputs.at[0, 0, 0].set(np.nan))
        with pytest.raises(ValueError, match="finite"):
            portrait(bad)


def _numbers(score):
    return {name: part for name, part in score.parts.items() if part.dtype.kind in "fib"}


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
    if score.level != "mechanism":  # those look at what else the circuit does
        assert (score.metric, score.value) == ("output_nmse", 1.0)  # no readout yet
    assert np.isfinite(score.value)
    assert score.level in ("generalization", "robustness", "mechanism")
    assert isinstance(score.settings["set"], str)
    assert tuple(score.parts["condition"]) == trials.conditions
    assert score.parts["per_condition"].shape == (8,)
