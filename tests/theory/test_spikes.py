"""Spikes to counts, counts to rates, trials to averages, behavior to bins: each against brute force."""

from itertools import pairwise

import jax
import numpy as np
import pytest

from recirc.compare import soft_normalized
from recirc.data.behavior import on_bins
from recirc.data.conditions import condition_averages, condition_labels
from recirc.data.reliability import r2_ceiling, split_half_reliability, split_halves
from recirc.data.spikes import GUARD, bin_counts, smooth
from recirc.types import Activity

RANDOM = np.random.default_rng(0)


def direct_smooth(row, sd, dt, stretch):
    """The definition, sample by sample, within one stretch."""
    made = np.full(len(row), np.nan)
    for k in stretch:
        weights = [np.exp(-((k - j) ** 2) * dt**2 / (2 * sd**2)) for j in stretch]
        made[k] = sum(w * row[j] for w, j in zip(weights, stretch)) / sum(weights)
    return made


@pytest.mark.parametrize("dt", [0.001, 0.01, 0.037])
def test_counts_are_those_of_brute_force(dt):
    times, starts = np.sort(RANDOM.uniform(0, 5, 400)), RANDOM.uniform(-1, 5, 30)
    made = bin_counts(times, starts, 40, dt)
    for start, row in zip(starts, made):
        edges = [start + dt * k - GUARD for k in range(41)]
        assert row.tolist() == [sum(a <= t < b for t in times) for a, b in pairwise(edges)]


def test_counts_are_conserved_however_time_is_cut():
    times = np.sort(RANDOM.uniform(0, 10, 3000))
    whole = bin_counts(times, [0.0], 1, 10.0)
    assert whole.sum() == len(times)
    for n_trials, n_bins in ((1, 1000), (10, 100), (40, 25)):
        starts = np.arange(n_trials) * 10 / n_trials
        assert bin_counts(times, starts, n_bins, 0.01).sum() == len(times)


def test_spikes_on_a_clock_of_milliseconds_fall_where_the_clock_says():
    ticks = np.arange(0, 200_000, 7)
    for start in (0, 333, 100_001):
        made = bin_counts(ticks / 1000, [start / 1000], 500, 0.01)[0]
        assert made.tolist() == [int(((ticks - start) // 10 == k).sum()) for k in range(500)]


def test_bins_are_half_open():
    assert bin_counts([1.0, 2.0, 3.0], [1.0], 2, 1.0).tolist() == [[1, 1]]


def test_no_spikes_give_zeros():
    assert bin_counts([], [0.0, 1.0], 3, 0.1).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("times", [[2.0, 1.0], [0.0, np.nan, 1.0]])
def test_spikes_that_are_not_in_order_are_refused(times):
    with pytest.raises(ValueError, match="rising order"):
        bin_counts(times, [0.0], 3, 0.1)


def test_bins_need_a_width_and_a_number():
    with pytest.raises(ValueError, match="n_bins"):
        bin_counts([0.0], [0.0], 0, 0.1)
    with pytest.raises(ValueError, match="dt"):
        smooth(np.ones(3), 0.1, 0.0)


@pytest.mark.parametrize("sd", [0.004, 0.03, 0.2])
def test_smoothing_is_the_direct_formula(sd):
    rows = RANDOM.uniform(0, 50, (3, 60))
    made = smooth(rows, sd, 0.01)
    for row, found in zip(rows, made):
        np.testing.assert_allclose(found, direct_smooth(row, sd, 0.01, range(60)), rtol=1e-12)


def test_smoothing_never_crosses_a_gap():
    rows = RANDOM.uniform(0, 50, (4, 50))
    observed = np.ones((4, 50), bool)
    observed[1, 20:22] = observed[2, :7] = False
    made = smooth(rows, 0.03, 0.01, observed=observed)
    expected = np.stack([direct_smooth(row, 0.03, 0.01, range(50)) for row in rows])
    expected[1] = np.where(
        np.arange(50) < 20,
        direct_smooth(rows[1], 0.03, 0.01, range(20)),
        direct_smooth(rows[1], 0.03, 0.01, range(22, 50)),
    )
    expected[2] = direct_smooth(rows[2], 0.03, 0.01, range(7, 50))
    np.testing.assert_allclose(made, expected, rtol=1e-12)
    other = rows.copy()
    other[1, 22:] = 1e6
    changed = smooth(other, 0.03, 0.01, observed=observed)
    np.testing.assert_array_equal(changed[1, :20], made[1, :20])


def test_a_constant_stays_a_constant_up_to_every_edge():
    observed = RANDOM.uniform(size=200) < 0.9
    made = smooth(np.full(200, 7.0), 0.05, 0.01, observed=observed)
    np.testing.assert_allclose(made[observed], 7.0, rtol=1e-13)
    assert np.isnan(made[~observed]).all()


def test_no_smoothing_changes_nothing():
    rows = RANDOM.uniform(size=(2, 9))
    np.testing.assert_array_equal(smooth(rows, 0.0, 0.01), rows)


def test_soft_normalization_is_its_formula():
    rates = RANDOM.uniform(0, 60, (5, 30, 7))
    made = soft_normalized(Activity(rates, dt=0.01, conditions="abcde"), 5.0)
    expected = rates / (rates.max((0, 1)) - rates.min((0, 1)) + 5.0)
    np.testing.assert_allclose(np.asarray(made.rates), expected, rtol=1e-12)


def test_averages_and_errors_are_those_of_each_condition():
    values, labels = RANDOM.normal(size=(9, 4, 3)), list("bababcabb")
    found = condition_averages(values, labels)
    assert found.conditions == ("a", "b", "c")
    assert found.n_trials.tolist() == [3, 5, 1]
    for i, condition in enumerate("abc"):
        members = np.stack([v for v, label in zip(values, labels) if label == condition])
        np.testing.assert_allclose(found.mean[i], sum(members) / len(members), rtol=1e-13)
        if len(members) > 1:
            spread = np.sqrt(((members - found.mean[i]) ** 2).sum(0) / (len(members) - 1))
            np.testing.assert_allclose(found.standard_error[i], spread / np.sqrt(len(members)), rtol=1e-12)
    assert np.isnan(found.standard_error[2]).all()


def test_averages_do_not_depend_on_the_order_of_trials():
    values, labels = RANDOM.normal(size=(12, 2, 2)), np.repeat(["90", "0", "180"], 4)
    order = RANDOM.permutation(12)
    a, b = condition_averages(values, labels), condition_averages(values[order], labels[order])
    assert a.conditions == b.conditions == ("0", "90", "180")
    np.testing.assert_allclose(a.mean, b.mean, rtol=1e-13)


def test_labels_come_from_columns():
    trials = {
        "target_x": np.array([0.0, -3.0, np.nan]),
        "target_y": np.array([2.0, 0.0, 1.0]),
        "direction": np.deg2rad([0.0, 45.0, 315.0]),
        "degrees_dir": np.array([0, 45, -45]),
        "speed": np.array(["slow", "fast", "slow"]),
    }
    assert condition_labels(trials, ["target_x", "target_y"]) == ["90", "180", ""]
    assert condition_labels(trials, ["direction"]) == ["0", "45", "315"]
    assert condition_labels(trials, ["degrees_dir"]) == ["0", "45", "315"]
    assert condition_labels(trials, ["degrees_dir"], radians=True)[0] == "0"
    assert condition_labels(trials, ["speed", "degrees_dir"]) == ["slow,0", "fast,45", "slow,-45"]
    assert condition_labels(trials, []) == ["all"] * 3


def test_targets_in_one_direction_at_two_distances_are_two_conditions():
    trials = {"target_x": np.array([1.0, 2.0, 0.0]), "target_y": np.array([0.0, 0.0, 1.0])}
    assert condition_labels(trials, ["target_x", "target_y"]) == ["1,0", "2,0", "0,1"]


def test_fast_behavior_is_averaged_within_bins():
    time = np.sort(RANDOM.uniform(0, 3, 3000))
    values = RANDOM.normal(size=(3000, 2))
    made = on_bins(time, values, [0.5, 1.2], 30, 0.02, lag=0.1)
    for start, row in zip((0.5, 1.2), made):
        for k, found in enumerate(row):
            first, last = start + 0.1 + 0.02 * k, start + 0.1 + 0.02 * (k + 1)
            inside = (time >= first) & (time < last)
            expected = values[inside].mean(0) if inside.any() else [np.nan] * 2
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_what_is_faster_than_the_bins_is_averaged_out_and_not_folded():
    time = np.arange(0, 10, 0.001)
    made = on_bins(time, np.sin(2 * np.pi * 99 * time)[:, None], [1.0], 500, 0.01)
    assert np.abs(made).max() < 0.02  # sampled at the bins it would be a wave of 1 Hz and amplitude 1


def test_slow_behavior_is_interpolated_exactly_where_it_is_linear():
    time = np.arange(0, 4, 0.04)
    made = on_bins(time, np.stack([2 * time, 1 - time], axis=1), [1.0], 50, 0.01, lag=-0.2)
    middle = 0.8 + 0.01 * (np.arange(50) + 0.5)
    np.testing.assert_allclose(made[0], np.stack([2 * middle, 1 - middle], axis=1), rtol=1e-12)


def test_behavior_that_is_not_there_is_nan():
    time = np.concatenate([np.arange(0, 1, 0.001), np.arange(2, 3, 0.001)])
    made = on_bins(time, np.ones((2000, 1)), [0.5, 2.5], 100, 0.01)
    assert np.isfinite(made[:, :50]).all()
    assert np.isnan(made[:, 50:]).all()
    slow = on_bins(np.array([0.0, 0.1, 1.0, 1.1]), np.ones((4, 1)), [0.0], 110, 0.01)[0, :, 0]
    assert np.isnan(slow[11:99]).all()
    assert np.isfinite(slow[[0, 5, 9, 101, 109]]).all()


def test_a_sample_that_is_nan_spoils_its_own_bin_only():
    values = np.ones((100, 2))
    values[35, 0] = np.nan
    made = on_bins(np.arange(100) * 0.001, values, [0.0], 10, 0.01)
    assert np.argwhere(np.isnan(made)).tolist() == [[0, 3, 0]]


def test_behavior_whose_clock_runs_backward_is_refused():
    with pytest.raises(ValueError, match="must rise"):
        on_bins(np.array([0.0, 0.2, 0.1]), np.ones((3, 1)), [0.0], 2, 0.1)


def planted(n_trials, signal_sd, noise_sd, n_times=400):
    """Trials of two conditions and their true rates: reliability of averages is s² / (s² + noise²/n)."""
    signal = RANDOM.normal(size=(2, n_times, 1)) * signal_sd
    labels = np.repeat(["0", "1"], n_trials)
    noise = RANDOM.normal(size=(2 * n_trials, n_times, 1)) * noise_sd
    return signal, np.repeat(signal, n_trials, axis=0) + noise, labels


def test_reliability_is_the_share_of_signal():
    for n_trials, noise in ((10, 1.0), (10, 3.0), (40, 6.0)):
        _, rates, labels = planted(n_trials, 1.0, noise)
        found = split_half_reliability(rates, labels, key=jax.random.key(0))
        assert abs(found[0] - 1 / (1 + noise**2 / n_trials)) < 0.06


def test_a_unit_without_signal_has_no_reliability():
    rates = RANDOM.poisson(0.3, (24, 100, 40)).astype(float)
    found = split_half_reliability(rates, np.repeat(list("abcd"), 6), key=jax.random.key(0))
    assert abs(np.median(found)) < 0.15


def test_the_ceiling_is_what_the_true_rates_reach():
    signal, rates, labels = planted(12, 1.0, 2.0, n_times=3000)
    found = condition_averages(rates, labels)
    for i in range(2):
        average = found.mean[i]
        reached = 1 - ((average - signal[i]) ** 2).sum() / ((average - average.mean(0)) ** 2).sum()
        assert abs(r2_ceiling(average, found.standard_error[i], np.ones(1)) - reached) < 0.02


def test_the_square_of_the_error_is_that_of_halves_over_all_halvings():
    _, rates, labels = planted(6, 1.0, 1.0, n_times=5)
    error = condition_averages(rates, labels).standard_error
    halves = split_halves(rates, labels, n_splits=4000, key=jax.random.key(1))
    mean = np.mean([(a - b) ** 2 / 4 for a, b in halves], axis=0)
    np.testing.assert_allclose(mean, error**2, rtol=0.15)


def test_halves_need_two_trials():
    with pytest.raises(ValueError, match="two trials of every condition"):
        split_half_reliability(np.ones((3, 5, 1)), ["a", "a", "b"], key=jax.random.key(0))
