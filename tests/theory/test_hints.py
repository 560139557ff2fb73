"""Known answers of the hints: the tail, the sample, the scale."""

import itertools
import warnings

import jax
import numpy as np
import pytest

from recirc import Activity, Trials
from recirc.data import DataWarning, hints_from, spline_tail
from recirc.tasks import CenterOutReach

DT = 0.001


@pytest.fixture(scope="module")
def trials(key):
    return CenterOutReach().trials(8, key=key)


@pytest.fixture(scope="module")
def target(trials):
    """40 units, 30 E and 10 I, with offsets and sizes of their own."""
    time = trials.time[None, :, None]
    rng = np.random.default_rng(0)
    phase, size = rng.uniform(0, 6, (8, 1, 40)), rng.uniform(0.5, 20, (1, 1, 40))
    rates = size * (2 + np.sin(9 * time + phase))
    names = [f"E{i}" for i in range(30)] + [f"I{i}" for i in range(10)]
    return Activity(rates, dt=DT, conditions=trials.conditions, units=names)


def test_tail_joins_with_value_and_slope_and_ends_at_rest():
    """Against SciPy's cubic Hermite spline, on a signal of known slope."""
    from scipy.interpolate import CubicHermiteSpline

    signal = np.random.default_rng(1).normal(size=(3, 200, 2)).cumsum(axis=1)
    tailed = np.asarray(spline_tail(signal, duration=0.11, dt=DT))
    np.testing.assert_array_equal(tailed[:, :90], signal[:, :90])
    slope = signal[:, 89] - signal[:, 88]
    for trial, channel in np.ndindex(3, 2):
        ends = [signal[trial, 89, channel], 0.0]
        spline = CubicHermiteSpline([89, 199], ends, [slope[trial, channel], 0.0])
        np.testing.assert_allclose(tailed[trial, 89:, channel], spline(np.arange(89, 200)), atol=1e-12)
        np.testing.assert_allclose([spline(89, 1), spline(199, 1)], [slope[trial, channel], 0.0], atol=1e-12)
    assert not tailed[:, -1].any()


def test_tail_slopes_converge_to_the_signals_at_the_joint_and_to_zero_at_the_end():
    for n_steps in (500, 5000):
        time = np.linspace(0, 1, n_steps)
        tailed = np.asarray(spline_tail(np.sin(3 * time)[None, :, None], duration=0.2, dt=1 / n_steps))[0, :, 0]
        steps = np.diff(tailed) * n_steps
        joint = n_steps - 1 - round(0.2 * n_steps)
        assert abs(steps[joint] - steps[joint - 1]) < 60 / n_steps
        assert abs(steps[-1]) < 60 / n_steps


def test_tail_is_idempotent_and_linear():
    a, b = np.random.default_rng(2).normal(size=(2, 4, 60, 3))
    once = spline_tail(a, duration=0.02, dt=DT)
    np.testing.assert_array_equal(spline_tail(once, duration=0.02, dt=DT), once)
    both = spline_tail(2 * a - 3 * b, duration=0.02, dt=DT)
    np.testing.assert_allclose(both, 2 * once - 3 * spline_tail(b, duration=0.02, dt=DT), atol=1e-12)


def test_tail_ends_at_each_trials_own_last_sample():
    signal = np.random.default_rng(3).normal(size=(2, 60, 1))
    mask = np.ones((2, 60))
    mask[1, 45:] = 0
    tailed = np.asarray(spline_tail(signal, duration=0.02, dt=DT, mask=mask))
    alone = np.asarray(spline_tail(signal[1:, :45], duration=0.02, dt=DT))
    np.testing.assert_array_equal(tailed[1, :45], alone[0])
    assert not tailed[1, 44:].any()


@pytest.mark.parametrize("duration", [0.0, 0.0004, 0.058, 1.0])
def test_tail_that_does_not_fit_is_an_error(duration):
    with pytest.raises(ValueError, match="tail"):
        spline_tail(np.ones((1, 59, 1)), duration=duration, dt=DT)


def test_trial_that_is_all_masked_is_an_error():
    with pytest.raises(ValueError, match="trial 1 is masked"):
        spline_tail(np.ones((2, 59, 1)), duration=0.01, dt=DT, mask=np.array([[1.0], [0.0]]) * np.ones((2, 59)))


def test_smaller_samples_are_the_first_part_of_larger_ones(target, trials, key):
    sizes = (0.01, 0.05, 0.1, 0.5, 1.0)
    samples = [hints_from(target, trials=trials, fraction=f, key=key).hint_units for f in sizes]
    assert [len(sample) for sample in samples] == [1, 2, 4, 20, 40]
    for small, large in itertools.pairwise(samples):
        assert large[: len(small)] == small
    assert set(samples[-1]) == set(target.units)
    assert hints_from(target, trials=trials, n_units=20, key=key).hint_units == samples[3]


def test_every_unit_is_as_likely_to_be_sampled(target, trials):
    """Two of forty units in 400 draws: each unit expects 20, standard deviation 4.4."""
    counts = dict.fromkeys(target.units, 0)
    short = target.replace(rates=target.rates[:, ::50], dt=0.05)
    few = CenterOutReach(preparation=0.05, movement=0.5, dt=0.05).trials(8, key=jax.random.key(0))
    for seed in range(400):
        for name in hints_from(short, trials=few, n_units=2, key=jax.random.key(seed), tail=None).hint_units:
            counts[name] += 1
    assert max(abs(count - 20) for count in counts.values()) < 4.5 * 4.4


def test_hints_are_the_sampled_rates_scaled(target, trials, key):
    def hints(**changes):
        return np.asarray(hints_from(target, trials=trials, fraction=0.2, key=key, tail=None, **changes).hints)

    raw = np.asarray(target.select_units(hints_from(target, trials=trials, fraction=0.2, key=key).hint_units).rates)
    np.testing.assert_allclose(hints(normalization="none"), raw)
    np.testing.assert_allclose(hints(normalization="sd").std(axis=(0, 1)), 1.0)
    np.testing.assert_allclose(hints(gain=5.0), 5 * hints())
    np.testing.assert_allclose(hints(normalization="maximum") * np.abs(target.rates).max(), raw)
    louder = target.replace(rates=7 * target.rates)
    np.testing.assert_allclose(
        hints_from(louder, trials=trials, fraction=0.2, key=key, tail=None).hints, hints(), rtol=1e-9
    )


def test_tail_is_put_on_hints_and_on_targets(target, trials, key):
    hinted = hints_from(target, trials=trials, fraction=0.2, key=key)
    bare = hints_from(target, trials=trials, fraction=0.2, key=key, tail=None)
    np.testing.assert_allclose(hinted.hints, spline_tail(bare.hints, duration=0.11, dt=DT), atol=1e-12)
    np.testing.assert_array_equal(hinted.targets, spline_tail(trials.targets, duration=0.11, dt=DT))
    np.testing.assert_array_equal(bare.targets, trials.targets)
    np.testing.assert_array_equal(hinted.inputs, trials.inputs)


@pytest.mark.parametrize(("kind", "letter", "count"), [("excitatory", "E", 30), ("inhibitory", "I", 10)])
def test_kind_restricts_the_sample(target, trials, key, kind, letter, count):
    names = hints_from(target, trials=trials, fraction=1.0, key=key, kind=kind).hint_units
    assert len(names) == count
    assert {name[0] for name in names} == {letter}


def test_silent_units_are_left_out_and_listed(target, trials, key):
    quiet = target.replace(rates=target.rates.at[:, :, np.array([3, 7])].set(4.2))
    with pytest.warns(DataWarning, match="E3, E7"):
        names = hints_from(quiet, trials=trials, fraction=1.0, key=key).hint_units
    assert set(target.units) - set(names) == {"E3", "E7"}
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        assert hints_from(quiet, trials=trials, fraction=1.0, key=key, normalization="none").hints.shape[2] == 40
    with pytest.raises(ValueError, match="ever changes"):
        hints_from(target.replace(rates=0 * target.rates), trials=trials, fraction=0.1, key=key)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fraction": 0.0}, r"\(0, 1\]"),
        ({"fraction": 1.01}, r"\(0, 1\]"),
        ({"fraction": float("nan")}, r"\(0, 1\]"),
        ({"n_units": 0}, "at least 1"),
        ({"n_units": 41}, "only 40"),
        ({}, "either fraction or n_units"),
        ({"fraction": 0.5, "n_units": 3}, "either fraction or n_units"),
        ({"fraction": 0.5, "gain": -1.0}, "gain"),
        ({"fraction": 0.5, "normalization": "std"}, "normalization"),
        ({"fraction": 0.5, "kind": "E"}, "kind"),
    ],
)
def test_wrong_requests_are_errors(target, trials, key, wrong, message):
    with pytest.raises(ValueError, match=message):
        hints_from(target, trials=trials, key=key, **wrong)


def test_targets_and_trials_that_do_not_match_are_errors_naming_both(target, trials, key):
    def hint(a, b):
        return hints_from(a, trials=b, fraction=0.5, key=key)

    with pytest.raises(ValueError, match=r"549 steps .*550 steps"):
        hint(target.replace(rates=target.rates[:, :-1]), trials)
    with pytest.raises(ValueError, match=r"0\.002 s.*0\.001 s"):
        hint(target.replace(dt=0.002), trials)
    with pytest.raises(ValueError, match=r"8 \('0'.*8 \('45'"):
        hint(target, trials.select([1, 0, 2, 3, 4, 5, 6, 7]))
    with pytest.raises(ValueError, match=r"7 \(.*8 \("):
        hint(target.select(range(7)), trials)
    with pytest.raises(ValueError, match="no unit is excitatory"):
        hints_from(
            target.replace(units=[f"u{i}" for i in range(40)]), trials=trials, fraction=1.0, key=key, kind="excitatory"
        )


def test_masked_samples_do_not_count_in_the_standard_deviation(key):
    rates = np.random.default_rng(5).normal(size=(2, 40, 3))
    mask = np.ones((2, 40))
    mask[1, 25:] = 0
    loud = np.where(mask[:, :, None] == 0, 100.0, rates)
    trials = Trials(np.ones((2, 40, 1)), np.ones((2, 40, 1)), dt=DT, conditions=["a", "b"], mask=mask)
    made = [
        np.asarray(
            hints_from(Activity(r, dt=DT, conditions=["a", "b"]), trials=trials, fraction=1.0, key=key, tail=0.01).hints
        )
        for r in (rates, loud)
    ]
    np.testing.assert_allclose(made[0], made[1])
