"""What subsets of the recorded units say of a mechanism: exact sums, planted answers, and what cannot be told."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

import recirc
from recirc.analyses import AnalysisResult, FitConfig, fit_recording, unit_subsets, which_next
from recirc.analyses.constrained_directions import constrained_share
from recirc.analyses.fit_prepare import prepare
from recirc.analyses.lagged_sums import LEARNS, added, hint_trials, in_groups, lagged_sums, linear_network, without
from recirc.analyses.subset_verdict import DEPENDS, SAME, UNTOLD, subset_rows, subset_verdicts
from recirc.circuits import Restarted, noise_trials, teacher
from recirc.train import LinearDynamics, OneStepRidge

DT = 0.01


def recording(kind: str, *, n_recorded: int, spread: float, seed: int = 3, n_units: int = 150, n_trials: int = 60):
    """Trials of a teacher from eight random states of s.d. `spread`, in bins of 10 ms."""
    keys = jax.random.split(jax.random.key(seed), 4)
    made = teacher(kind, n_units=n_units, key=keys[0])
    start = spread * jax.random.normal(keys[3], (n_units, n_trials // 8 + 1))
    driven = noise_trials(n_units, n_steps=100, n_trials=n_trials, dt=DT, key=keys[1])
    start = jnp.tile(start, 8)[:, :n_trials]
    seen = recirc.simulate(Restarted(made.network, start), driven, key=keys[2])
    return seen.replace(rates=seen.rates[:, :, :n_recorded], units=[str(i) for i in range(n_recorded)])


def verdicts(kind: str, **settings):
    found = unit_subsets(recording(kind, **settings), n_subsets=8, key=jax.random.key(0))
    return found, [each.verdict for each in subset_verdicts(found)]


def test_a_fit_to_a_subset_is_a_block_of_the_sums_over_all_units():
    rates = np.asarray(recording("random", n_recorded=12, spread=1.0, n_trials=9).rates)
    units = np.array([1, 4, 7, 8])
    sums = added([lagged_sums(part, 1, DT) for part in in_groups(rates)])
    both = np.append(units, 12)
    student = OneStepRidge(learns=LEARNS)
    rows = student.rows(sums._replace(gram=sums.gram[np.ix_(both, both)], cross=sums.cross[np.ix_(units, both)]), 4)
    fit = recirc.fit(student, linear_network(4, DT), hint_trials(rates[:, :, units], DT), key=jax.random.key(0))
    np.testing.assert_allclose(rows[:, :-1], fit.network.recurrent, rtol=1e-8, atol=1e-10)


def test_sums_without_a_group_are_sums_of_the_others_and_pairs_further_apart_are_all_there():
    rates = np.random.default_rng(0).normal(size=(7, 23, 5))
    groups = [lagged_sums(part, 4, DT) for part in in_groups(rates)]
    for left, group in zip(without(added(groups), groups), range(len(groups))):
        others = added([each for i, each in enumerate(groups) if i != group])
        np.testing.assert_allclose(left.gram, others.gram)
    pairs = rates[:, :-4].reshape(-1, 5)
    np.testing.assert_allclose(added(groups).gram[:5, :5], pairs.T @ pairs)


def test_a_slow_mode_that_every_unit_takes_part_in_does_not_depend_on_which_are_recorded():
    found, (slowest, rotation) = verdicts("low_rank_normal", n_recorded=60, spread=1.0)
    assert (slowest, rotation) == (SAME, UNTOLD)
    assert np.exp(found.refits["slowest_mode_s"].recorded) == pytest.approx(1.0, rel=0.2)
    few = dataclasses.replace(found, constrained=0.12)
    smoothed = dataclasses.replace(few, apart=12)
    assert [subset_verdicts(each)[0].verdict for each in (few, smoothed)] == [SAME, UNTOLD]


def test_a_rotation_that_every_unit_takes_part_in_does_not_either():
    found, (_, rotation) = verdicts("low_rank_oscillation", n_recorded=60, spread=1.0)
    assert rotation == SAME
    assert found.refits["rotation_hz"].recorded == pytest.approx(0.796, rel=0.05)


@pytest.mark.parametrize("kind", ["feedforward", "delay_line"])
def test_a_chain_of_which_a_part_is_recorded_has_no_slow_mode_that_may_be_believed(kind):
    for spread in (0.0, 1.0):
        assert verdicts(kind, n_recorded=40, spread=spread)[1][0] == DEPENDS


def test_a_slow_mode_beneath_the_noise_is_not_said_to_be_found():
    assert verdicts("line_attractor", n_recorded=40, spread=0.0)[1][0] != SAME


def test_noise_on_the_rates_is_told_by_what_it_leaves_unexplained():
    seen = recording("low_rank_normal", n_recorded=60, spread=1.0)
    rates = np.asarray(seen.rates)
    noisy = seen.replace(rates=rates + 0.3 * rates.std() * np.random.default_rng(0).normal(size=rates.shape))
    found = unit_subsets(noisy, n_subsets=8, key=jax.random.key(0))
    assert found.memory < -0.1
    assert subset_verdicts(found)[0].verdict == DEPENDS
    assert np.exp(found.refits["slowest_mode_s"].recorded) < 0.5  # and it is too short indeed


def test_all_directions_are_determined_without_noise_and_few_where_units_do_nothing_to_one_another():
    quiet, random = recording("random", n_recorded=20, spread=1.0), np.random.default_rng(1)
    groups = lambda rates: [lagged_sums(part, 1, DT) for part in in_groups(np.asarray(rates))]  # noqa: E731
    assert constrained_share(groups(quiet.rates)) > 0.95
    noise = scipy.signal.lfilter([1], [1, -np.exp(-0.1)], random.normal(size=(20, 50, 20)), axis=1)  # of the leak alone
    assert constrained_share(groups(noise)) < 0.2
    assert constrained_share(groups(quiet.rates), overlap=100) < constrained_share(groups(quiet.rates))


def test_rows_hold_every_size_and_a_circuit_recorded_whole():
    found = unit_subsets(recording("random", n_recorded=16, spread=1.0), n_subsets=3, key=jax.random.key(0))
    rows = [row for row in subset_rows(found) if row.metric == "slowest_mode_s"]
    assert [row.condition["n_units"] for row in rows] == [4, 8, 12, 16, "all"]
    assert [row.n for row in rows] == [3, 3, 3, 1, 3]
    assert all(np.isfinite(row.value) for row in rows)


@pytest.mark.parametrize("n_trials", [1, 4])
def test_a_slow_mode_of_few_trials_is_followed_as_far_as_their_pieces_reach(n_trials):
    noise = np.random.default_rng(0).normal(size=(n_trials, 60, 10))
    rates = np.cumsum(noise, axis=1)  # which outlasts a trial
    seen = recirc.Activity(rates, dt=DT, conditions=list(map(str, range(n_trials))))
    found = unit_subsets(seen, n_subsets=3, key=jax.random.key(0))
    assert all(np.isfinite([each.error, *each.drift, *each.horizon]).all() for each in found.refits.values())


def test_what_cannot_be_fitted_is_refused():
    seen, key = recording("random", n_recorded=16, spread=1.0, n_trials=8), jax.random.key(0)
    with pytest.raises(ValueError, match="smallest subsets have 4 units and the fit 5 components"):
        unit_subsets(seen, n_subsets=2, key=key, student=LinearDynamics(n_components=5))
    with pytest.raises(ValueError, match="hints 0 and 1 are the same"):
        unit_subsets(seen.replace(rates=seen.rates[:, :, [0, *range(15)]]), n_subsets=2, key=key)
    short = recirc.Activity(seen.rates[:1, :9], dt=DT, conditions=["0"])
    with pytest.raises(ValueError, match=r"17 weights per unit .* from 8 pairs"):
        unit_subsets(short, n_subsets=2, key=key)
    with pytest.raises(ValueError, match=r"too short for rates smoothed with an s\.d\. of 0.1 s"):
        unit_subsets(seen, n_subsets=2, key=key, smoothing=0.1)
    with pytest.raises(ValueError, match="smoothing must be at least 0"):
        unit_subsets(seen, n_subsets=2, key=key, smoothing=-0.1)
    with pytest.raises(ValueError, match=r"2 in number, are cut into pieces of 3 bins .* more than 4; give longer"):
        unit_subsets(recirc.Activity(seen.rates[:2, :30], dt=DT, conditions=["0", "1"]), n_subsets=2, key=key)
    named = seen.select_units(seen.units[4:])
    with pytest.raises(ValueError, match=r"hints 7 and 9 are the same \(a unit recorded twice, or silent ones\?\)"):
        unit_subsets(named.replace(rates=named.rates.at[:, :, [3, 5]].set(0.0)), n_subsets=2, key=key)
    with pytest.raises(ValueError, match="4 units; subsets of a fourth"):
        unit_subsets(seen.select_units(seen.units[:4]), n_subsets=2, key=key)
    with pytest.raises(ValueError, match="subsets is 1"):
        FitConfig(subsets=1)


def test_subsets_that_cannot_be_fitted_are_refused_where_a_fit_is_prepared():
    """So before a folder is made, and by `recirc check`."""
    rates = 20 + 5 * np.asarray(recording("random", n_recorded=16, spread=1.0, n_trials=8).rates)[:, :60]
    activity = recirc.Activity(rates, dt=0.02, conditions=[str(45 * i) for i in range(8)])
    settings = {"n_folds": 2, "preprocessing": recirc.data.Preprocessing(smoothing=0.0)}
    prepare(activity, FitConfig(subsets=2, **settings))
    with pytest.raises(ValueError, match="smallest subsets have 4 units and the fit 5 components"):
        prepare(activity, FitConfig(subsets=2, subset_components=5, **settings))
    twice = activity.replace(rates=rates[:, :, [0, *range(15)]])
    prepare(twice, FitConfig(**settings))
    with pytest.raises(ValueError, match="hints 0 and 1 are the same"):
        prepare(twice, FitConfig(subsets=2, **settings))


def test_units_that_others_do_not_tell_are_named_before_those_that_they_do():
    random = np.random.default_rng(0)
    latent = random.normal(size=(20, 40, 3))
    rates = np.concatenate([latent @ random.normal(size=(3, 12)), 2 * random.normal(size=(20, 40, 2))], axis=2)
    seen = recirc.Activity(rates + 0.05 * random.normal(size=rates.shape), dt=DT, conditions=list(map(str, range(20))))
    ranked = which_next(seen, key=jax.random.key(0))
    assert {each.kind for each in ranked[:2]} == {"12", "13"}
    kinds = {"told": list(map(str, range(6))), "untold": ["12", "13"]}
    assert which_next(seen, kinds=kinds, key=jax.random.key(0))[0].kind == "untold"
    assert all(each.error >= each.disagreement for each in ranked)
    with pytest.raises(ValueError, match="'3' is in 'a' and in 'b'"):
        which_next(seen, kinds={"a": ["3"], "b": ["3"]}, key=jax.random.key(0))
    with pytest.raises(ValueError, match="kind 'a' has no units"):
        which_next(seen, kinds={"a": []}, key=jax.random.key(0))
    with pytest.raises(ValueError, match="not finite"):
        which_next(seen.replace(rates=np.where(rates > 1, np.nan, rates)), key=jax.random.key(0))
    with pytest.raises(ValueError, match="names unit 'x'"):
        which_next(seen, kinds={"a": ["x"]}, key=jax.random.key(0))


def test_a_fit_with_subsets_says_what_may_be_concluded_and_draws_it():
    seen = recording("low_rank_normal", n_recorded=16, spread=1.0, n_trials=8)
    rates = 20 + 5 * np.asarray(seen.rates)[:, :60]
    activity = recirc.Activity(rates, dt=0.02, conditions=[str(45 * i) for i in range(8)])
    config = FitConfig(
        n_seeds=1, n_folds=2, bias_scales=(0.5,), drive_factors=(), noise_factors=(), input_factors=(),
        penalties=(1e-3,), completions=("none",), subsets=3, trainer=recirc.train.FullForce(n_passes=1),
        preprocessing=recirc.data.Preprocessing(smoothing=0.0),
        network=dataclasses.replace(FitConfig().network, n_units=30),
    )  # fmt: skip
    result = fit_recording(activity, config, key=jax.random.key(0))
    assert isinstance(result, AnalysisResult)
    assert "which units were recorded" in result.sentences["subsets"] or UNTOLD in result.sentences["subsets"]
    assert result.arrays["subset_numbers"].shape == (3, 4, 3)
    recirc.figures.draw(result, "subsets")
    plain = fit_recording(activity, dataclasses.replace(config, subsets=0), key=jax.random.key(0))
    assert [row for row in result.rows if row.condition.get("set") != "unit_subsets"] == list(plain.rows)
