"""Made-up sessions: averages come to the truth, neighbors are alike only where a network made them, files keep it."""

import jax
import made_up
import numpy as np
import pytest

from recirc.compare.covariates import covariates_of
from recirc.data.nwb import read_nwb
from recirc.data.preprocessing import Preprocessing
from recirc.data.read import prepare_session, read_prepared
from recirc.data.write_nwb import write_nwb

N_CONDITIONS = {"center_out": 8, "scattered": 27, "ready_set_go": 8, "choice": 8, "bump": 12, "planted": 8}


def averages_of(made: made_up.MadeUp):
    return made.preprocessing.apply(made.session, key=jax.random.key(0))


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("kind", made_up.KINDS)
def test_averages_err_by_their_standard_error(kind, noise):
    """Squared errors over squared standard errors are 1 in the mean, so that more trials come to the truth."""
    made = made_up.make(kind, 0, noise=noise)
    found = prepare_session(made.session, made.preprocessing)
    assert found.dropped == ()
    averages = found.averages
    assert (averages.conditions, averages.units) == (made.truth.conditions, made.truth.units)
    np.testing.assert_allclose(averages.time, made.truth.time, atol=1e-9)
    apart = np.asarray(averages.rates) - np.asarray(made.truth.rates)
    error = np.asarray(averages.standard_error)
    assert 0.9 < (apart**2).mean() / (error**2).mean() < 1.1
    assert abs(apart.mean()) < 0.3  # five standard errors of 50,000 spikes
    assert 0.6 < np.median(found.reliability) < 0.95


def test_ten_times_as_many_trials_err_a_tenth(monkeypatch):
    few = made_up.make("choice", 1)
    many_trials = made_up.choice(np.random.default_rng(0)).n_trials * 10
    task = made_up.KINDS["choice"]
    monkeypatch.setitem(made_up.KINDS, "choice", lambda random: task(random)._replace(n_trials=many_trials))
    many = made_up.make("choice", 1)
    np.testing.assert_array_equal(few.truth.rates, many.truth.rates)
    errors = [
        float(((np.asarray(averages_of(made).averages.rates) - np.asarray(made.truth.rates)) ** 2).mean())
        for made in (few, many)
    ]
    assert 7 < errors[0] / errors[1] < 13


@pytest.mark.parametrize("kind", made_up.KINDS)
def test_conditions_and_trials_are_as_said(kind):
    made = made_up.make(kind, 3)
    assert made.truth.n_trials == N_CONDITIONS[kind]
    assert 30 <= made.session.n_units <= 40
    trials, window = made.session.trials, made.preprocessing.window or (0, 0)
    assert 0.8 <= window[1] - window[0] <= 1.2
    assert set(made.covariates) | set(made.events) <= set(trials)
    lasts = trials["stop_time"] - trials["start_time"]
    assert np.ptp(lasts) > 0.09
    if kind == "ready_set_go":
        np.testing.assert_allclose(trials["set_time"] - trials["ready_time"], trials["interval"], atol=1e-9)
        assert np.corrcoef(lasts, trials["interval"])[0, 1] > 0.8
    assert list(made.session.series) == [*(made.preprocessing.behavior or ()), *made.inputs]


def neighbors_and_others(made: made_up.MadeUp) -> tuple[float, float]:
    """Mean correlation of conditions' deviations from their mean: of each and its nearest, and of all others."""
    rates = np.asarray(made.truth.rates)
    deviations = np.corrcoef((rates - rates.mean(axis=0)).reshape(len(rates), -1))
    known = covariates_of(made.truth, made.covariates)
    squares = known.squares(known).sum(axis=0) + 1e9 * np.eye(len(rates))
    is_near = squares == squares.min(axis=1, keepdims=True)
    is_other = ~(is_near | is_near.T | np.eye(len(rates), dtype=bool))
    return float(deviations[is_near].mean()), float(deviations[is_other].mean())


@pytest.mark.parametrize("kind", made_up.KINDS)
def test_neighbors_are_alike_in_networks_and_not_in_noise(kind):
    for seed in range(3):
        near, others = neighbors_and_others(made_up.make(kind, seed))
        assert near > others + 0.5
        assert near > 0.5
    unrelated = [neighbors_and_others(made_up.make(kind, seed, noise=True)) for seed in range(5)]
    assert abs(np.mean([near - others for near, others in unrelated])) < 0.15


@pytest.mark.parametrize("kind", made_up.KINDS)
def test_noise_is_as_strong(kind):
    powers = [np.asarray(made_up.make(kind, 0, noise=noise).truth.rates).var() for noise in (False, True)]
    assert 0.5 < powers[1] / powers[0] < 2


def test_a_seed_gives_one_session_and_another_seed_another():
    a, b, c = (made_up.make("ready_set_go", seed) for seed in (3, 3, 4))
    for x, y in zip(a.session.spikes, b.session.spikes):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(
        a.session.series["finger_force"].values[:], b.session.series["finger_force"].values[:]
    )
    assert np.abs(np.asarray(a.truth.rates) - np.asarray(c.truth.rates)).mean() > 1


@pytest.mark.parametrize("kind", made_up.KINDS)
def test_a_file_keeps_what_was_made(kind, tmp_path):
    made = made_up.make(kind, 0)
    write_nwb(made.session, tmp_path / "a.nwb")
    found, direct = read_prepared(tmp_path / "a.nwb", made.preprocessing), averages_of(made)
    assert found.averages.conditions == direct.averages.conditions
    np.testing.assert_allclose(found.averages.rates, direct.averages.rates, atol=1e-12)
    for name in made.covariates:
        np.testing.assert_array_equal(found.averages.covariates[name], made.truth.covariates[name])


GUESSED = {
    "center_out": ("target_direction",), "scattered": ("target_x", "target_y"), "ready_set_go": ("interval",),
    "choice": ("coherence",), "bump": ("cue_angle",), "planted": ("interval",),
}  # fmt: skip
KINDS_OF = {"target_direction": "angle", "cue_angle": "angle"}


@pytest.mark.parametrize("kind", made_up.KINDS)
def test_conditions_are_guessed_from_the_columns(kind, tmp_path):
    """Of all columns those that describe a condition; only angles become angles."""
    made = made_up.make(kind, 1)
    write_nwb(made.session, tmp_path / "a.nwb")
    chain, _ = Preprocessing().resolved(read_nwb(tmp_path / "a.nwb"))
    assert chain.conditions == GUESSED[kind]
    guessed = read_prepared(tmp_path / "a.nwb", Preprocessing()).averages
    assert guessed.n_trials == (N_CONDITIONS[kind] if kind != "scattered" else 14)
    if kind == "scattered":  # a speed is made a condition by those who know that it was asked for
        return
    for column in covariates_of(guessed, made.covariates).columns:
        assert column.kind == KINDS_OF.get(column.name, "number")
