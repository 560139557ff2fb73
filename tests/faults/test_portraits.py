"""What portraits refuse or leave out, and what they say."""

import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc import compare

EPOCHS = ((0.0, 0.2), (0.2, 0.5))
PORTRAITS = [
    compare.JPCA(4, soft=None),
    compare.AlignmentIndex(*EPOCHS, 2, None),
    compare.ParticipationRatio(soft=None),
    compare.Tangling(soft=None),
    compare.UnitFeatures(*EPOCHS),
]
OF_DIFFERENCES = [*PORTRAITS[:2], compare.ParticipationRatio(None, subtract_condition_mean=True), PORTRAITS[4]]


def named(portrait):
    return type(portrait).__name__


def activity(seed=0, n_units=6, n_trials=6, n_steps=50, outputs=None):
    rates = np.cumsum(np.random.default_rng(seed).normal(size=(n_trials, n_steps, n_units)), axis=1)
    return recirc.Activity(rates, dt=0.01, conditions=[str(i) for i in range(n_trials)], outputs=outputs)


@pytest.mark.parametrize("portrait", PORTRAITS, ids=named)
def test_constant_units_are_left_out_and_listed(portrait):
    a = activity()
    silent = a.replace(
        rates=jnp.concatenate([a.rates, jnp.full((6, 50, 1), 2.0)], axis=2), units=[*"abcdef", "silent one"]
    )
    with pytest.warns(UserWarning, match="silent one"):
        value = portrait(silent).value
    assert value == pytest.approx(portrait(a).value, abs=1e-12)
    with pytest.raises(ValueError, match="every unit of the given"):
        portrait(a.replace(rates=jnp.ones(a.rates.shape)))


@pytest.mark.parametrize("portrait", OF_DIFFERENCES, ids=named)
def test_differences_of_conditions_need_two_that_differ(portrait):
    a = activity()
    with pytest.raises(ValueError, match="one condition"):
        portrait(a.select([0]))
    with pytest.raises(ValueError, match="one condition"):
        portrait(a.replace(conditions=["same"] * 6))
    with pytest.raises(ValueError, match="do not differ"):
        portrait(a.replace(rates=jnp.broadcast_to(a.rates[:1], a.rates.shape)))


@pytest.mark.parametrize("portrait", PORTRAITS, ids=named)
def test_a_rate_that_is_not_finite_is_refused(portrait):
    a = activity()
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="not finite"):
            portrait(a.replace(rates=a.rates.at[1, 2, 3].set(bad)))


@pytest.mark.parametrize("portrait", PORTRAITS[:4], ids=named)
def test_fewer_samples_than_dimensions_are_refused(portrait):
    rates = np.random.default_rng(0).normal(size=(2, 50, 200))
    few = recirc.Activity(rates[:, :2], dt=0.25, conditions="ab")
    with pytest.raises(ValueError, match="samples"):
        portrait(few)


def test_few_samples_per_dimension_are_warned_of():
    with pytest.warns(UserWarning, match="null"):
        compare.JPCA(6, soft=None)(activity(n_trials=2, n_steps=25))


def test_windows_must_fit():
    a = activity()
    for wrong in (
        compare.JPCA(4, start=0.4, stop=0.9),
        compare.Tangling(start=-0.1),
        compare.ParticipationRatio(start=0.3, stop=0.3),
        compare.AlignmentIndex((0.0, 0.2), (0.4, 0.6)),
        compare.UnitFeatures((0.2, 0.0), (0.2, 0.5)),
    ):
        with pytest.raises(ValueError, match="does not fit"):
            wrong(a)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: compare.JPCA(5), "even"),
        (lambda: compare.JPCA(0), "even"),
        (lambda: compare.JPCA(statistic="r2"), "statistic"),
        (lambda: compare.AlignmentIndex(*EPOCHS, 0), "n_components"),
        (lambda: compare.Tangling(0), "n_components"),
        (lambda: compare.Tangling(epsilon=0.0), "epsilon"),
        (lambda: compare.Tangling(every=-0.1), "every"),
        (lambda: compare.Tangling(of="muscles"), "outputs"),
        (lambda: compare.UnitFeatures(*EPOCHS, "tuning"), "feature must be"),
        (lambda: compare.UnitFeatures(*EPOCHS, prominence=1.5), "prominence"),
    ],
)
def test_settings_out_of_range_are_refused(make, what):
    with pytest.raises(ValueError, match=what):
        make()


def test_the_constant_of_normalization_must_not_be_negative():
    a = activity()
    for call in (
        lambda: compare.soft_normalized(a, -1.0),
        lambda: compare.soft_normalized(a, np.nan),
        lambda: compare.JPCA(4, soft=-5.0)(a),
        lambda: compare.soft_constant(a, a, -5.0),
    ):
        with pytest.raises(ValueError, match="negative"):
            call()


def test_a_constant_for_spikes_on_a_network_is_warned_of():
    a = activity()
    with pytest.warns(UserWarning, match="soft=None"):
        compare.JPCA(4)(a.replace(rates=0.01 * a.rates))


def test_low_rank_is_reduced_with_a_message_or_refused():
    a = activity()
    flat = a.replace(rates=a.rates[:, :, :3] @ np.random.default_rng(0).normal(size=(3, 6)))
    with pytest.warns(UserWarning, match="2 are used"):
        score = compare.JPCA(4, soft=None)(flat)
    assert score.settings["n_components"] == 2
    line = a.replace(rates=a.rates[:, :, :1] * jnp.arange(1.0, 7.0)[None, None, :])
    with pytest.raises(ValueError, match="rotation needs two"):
        compare.JPCA(4, soft=None)(line)
    with pytest.raises(ValueError, match="1 dimensions and 2 components"):
        compare.AlignmentIndex(*EPOCHS, 2, None)(line)
    assert compare.ParticipationRatio(soft=None)(line).value == pytest.approx(1.0)
    assert compare.Tangling(soft=None)(line).settings["n_components"] == 1


def test_states_that_stand_still_have_no_dynamics():
    a = activity()
    still = a.replace(rates=jnp.where(jnp.arange(50)[None, :, None] < 25, a.rates, a.rates[:, 25:26]))
    for portrait in (compare.JPCA(4, soft=None, start=0.3), compare.Tangling(soft=None, start=0.3)):
        with pytest.raises(ValueError, match="nothing"):
            portrait(still)


def test_planes_say_what_does_not_fit():
    a = activity()
    planes = compare.JPCA(4, soft=None, start=0.1, stop=0.4).fit(a)
    with pytest.raises(ValueError, match="no unit is called"):
        planes.project(a.select_units(a.units[:3]))
    with pytest.raises(ValueError, match="does not fit"):
        planes.project(compare.window(a, 0.2, 0.5))
    with pytest.raises(ValueError, match="steps"):
        planes.project(a.replace(dt=0.02))


def test_tangling_of_outputs_needs_outputs():
    with pytest.raises(ValueError, match="no outputs"):
        compare.Tangling(of="outputs")(activity())
    with pytest.raises(ValueError, match="finite"):
        compare.Tangling(of="outputs")(activity(outputs=np.full((6, 50, 2), np.nan)))


def test_random_subspaces_need_a_draw(key):
    with pytest.raises(ValueError, match="n_draws"):
        compare.random_subspaces(PORTRAITS[1], activity(), n_draws=0, key=key)


def test_preferred_directions_need_angles():
    with pytest.raises(ValueError, match="angles"):
        compare.UnitFeatures(*EPOCHS, "direction_change")(activity())
    assert "direction_change" not in compare.UnitFeatures(*EPOCHS)(activity()).parts


def test_units_without_tuning_in_an_epoch_have_no_correlation():
    a = activity()
    untuned = a.replace(rates=a.rates.at[:, :20, 0].set(1.0))
    features = compare.UnitFeatures(*EPOCHS, "tuning_correlation")(untuned)
    assert np.isnan(features.parts["tuning_correlation"]).tolist() == [True] + [False] * 5
    assert np.isfinite(features.value)


def test_distances_of_populations_need_two_sets_of_features(key):
    features = compare.UnitFeatures(*EPOCHS)(activity())
    with pytest.raises(ValueError, match="two scores of UnitFeatures"):
        compare.unit_feature_distance(features, compare.JPCA(4, soft=None)(activity()), key=key)
    other = compare.UnitFeatures(*EPOCHS, prominence=0.5)(activity())
    with pytest.raises(ValueError, match="prominence"):
        compare.unit_feature_distance(features, other, key=key)
    with pytest.raises(ValueError, match="n_splits"):
        compare.unit_feature_distance(features, features, n_splits=0, key=key)
    few = compare.UnitFeatures(*EPOCHS)(activity(n_units=3))
    with pytest.raises(ValueError, match="need four"):
        compare.unit_feature_distance(few, features, key=key)
