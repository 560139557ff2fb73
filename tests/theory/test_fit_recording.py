"""Fits of recordings: nothing of what is judged leaks into a prediction; baselines equal brute force."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import xarray as xr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ExpSineSquared

import recirc
from recirc.analyses import FitConfig, NetworkConfig, fit_recording
from recirc.analyses.fit_choice import best_choice, inner_groups, inner_pairs
from recirc.analyses.fit_config import Candidate
from recirc.analyses.fit_network import Piece, train_piece
from recirc.analyses.fit_prepare import prepare
from recirc.analyses.fit_recording import _Fitting
from recirc.analyses.fit_table import make_rows
from recirc.analyses.fit_trials import (
    judging_scales,
    make_trials,
    network_clock,
    recorded_units,
    reliable_units,
    resample,
    unit_folds,
)
from recirc.analyses.likeness import in_order_of
from recirc.compare.covariates import Covariate, Covariates, covariates_of
from recirc.compare.interpolation import condition_mean, cosine_tuning
from recirc.compare.joint_gp import JointGP
from recirc.compare.left_out import left_out_r2, left_out_scales, shuffled_directions_null
from recirc.data import Preprocessing, read_dataset, read_netcdf
from recirc.runs import experiment, is_done, verify
from recirc.runs.report import build
from recirc.studies import compare, fit
from recirc.train import FullForce

ANGLES = np.deg2rad([10, 70, 120, 200, 260, 330])
SMALL = FitConfig(
    network=NetworkConfig(n_units=20),
    trainer=FullForce(n_passes=1, noise=0.5, update_interval=0.05, hint_drive=0.3, drive=0.1),
    recorded_fraction=0.25,
    n_folds=2,
    n_seeds=2,
    bias_scales=(0.0, 0.5),
    gain_factors=(2.0,),
    drive_factors=(),
    noise_factors=(),
    input_factors=(),
    completions=("raw",),
    penalties=(1e-3, 1e-2),
)


def recording(path, angles=ANGLES, n_units=12, dt=0.02, n_steps=21, outputs=False, change=None):
    """Tuned, transient rates; `change` adds something to one direction."""
    random, time = np.random.default_rng(0), np.arange(n_steps) * dt
    preferred, peak = random.uniform(0, 2 * np.pi, n_units), random.uniform(0.1, 0.3, n_units)
    tuning = 1 + np.cos(angles[:, None, None] - preferred)
    rates = 10 + 15 * tuning * np.exp(-(((time[:, None] - peak) / 0.1) ** 2))[None]
    if change is not None:
        rates[change] += random.uniform(0, 50, rates.shape[1:])
    parts = {"rates": (("condition", "time", "unit"), rates, {"units": "spikes/s"})}
    if outputs:
        speed = np.sin(np.pi * time / time[-1])
        velocity = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None, :] * speed[None, :, None]
        parts["outputs"] = (("condition", "time", "output"), 30 * velocity)
    coordinates = {
        "condition": ("condition", np.rad2deg(angles), {"units": "degree"}),
        "time": ("time", time, {"units": "s"}),
        "unit": [f"u{i}" for i in range(n_units)],
    }
    xr.Dataset(parts, coordinates).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.fixture
def serial(monkeypatch):
    """Pieces one after the other in this process."""
    monkeypatch.setattr(experiment, "FolderMap", lambda folder, **how: map)


# Interpolation over directions


@pytest.fixture
def rates():
    return np.random.default_rng(1).uniform(0, 30, (6, 9, 4))


def at(angles):
    return Covariates((Covariate("direction", "angle", np.rad2deg(angles)),))


def test_cosine_tuning_recovers_planted_cosines_at_any_direction():
    amplitude = np.random.default_rng(0).normal(size=(9, 4))
    planted = lambda at: 5 + amplitude * np.cos(at[:, None, None] - 1)  # noqa: E731
    new = np.array([0.3, 2.0, 5.5])
    np.testing.assert_allclose(cosine_tuning(at(ANGLES), planted(ANGLES), at(new)), planted(new), atol=1e-10)


def test_gp_over_directions_is_that_of_scikit_learn(rates):
    kernel = ExpSineSquared(1.0, 2 * np.pi, "fixed", "fixed")
    flat, new = (rates - rates.mean(0)).reshape(6, -1), np.array([0.3, 3.0])
    model = GaussianProcessRegressor(kernel, alpha=0.1, optimizer=None).fit(ANGLES[:, None], flat)
    expected = model.predict(new[:, None]).reshape(2, 9, 4) + rates.mean(0)
    short = JointGP((1.0,), 1e-3, 0.1)  # times apart
    np.testing.assert_allclose(short.predict(at(ANGLES), rates, at(new), dt=0.03), expected, atol=1e-10)


def test_joint_gp_equals_the_solution_of_the_whole_covariance(rates):
    process, dt, new = JointGP((1.3,), 0.1, 0.3), 0.03, np.array([0.3, 3.0])
    over_angles = lambda a, b: np.exp(-2 * np.sin((a[:, None] - b[None]) / 2) ** 2 / 1.3**2)  # noqa: E731
    time = dt * np.arange(9)
    over_time = np.exp(-0.5 * ((time[:, None] - time[None]) / 0.1) ** 2)
    covariance = np.kron(over_angles(ANGLES, ANGLES), over_time) + 0.3 * np.eye(54)
    residual = (rates - rates.mean(0)).reshape(54, 4)
    expected = np.kron(over_angles(new, ANGLES), over_time) @ np.linalg.solve(covariance, residual)
    expected = expected.reshape(2, 9, 4) + rates.mean(0)
    np.testing.assert_allclose(process.predict(at(ANGLES), rates, at(new), dt=dt), expected, atol=1e-7)


def test_joint_gp_is_chosen_by_its_error_on_conditions_left_out(rates):
    candidates = [JointGP((length,), 0.1, noise) for length in (0.8, 1.6) for noise in (0.1, 1.0)]

    def error(process, test):
        rest = np.delete(np.arange(6), test)
        made = process.predict(at(ANGLES[rest]), rates[rest], at(ANGLES[[test]]), dt=0.03)
        return ((made - rates[test]) ** 2).sum()

    best = min(candidates, key=lambda process: sum(error(process, test) for test in (0, 3)))
    grid = {"lengths": {"angle": (0.8, 1.6)}, "durations": (0.1,), "noises": (0.1, 1.0)}
    assert JointGP.choose(at(ANGLES), rates, dt=0.03, tests=[[0], [3]], **grid) == best
    with pytest.raises(ValueError, match="at least one group, and a condition beside"):
        JointGP.choose(at(ANGLES), rates, dt=0.03, tests=[])


def test_interpolations_rotate_with_the_directions_and_scale_with_the_units(rates):
    scale = np.array([0.1, 1.0, 3.0, 10.0])
    process = lambda *asked: JointGP((1.0,), 0.1, 0.1).predict(*asked, dt=0.03)  # noqa: E731
    for method in (condition_mean, cosine_tuning, process):
        made = method(at(ANGLES), rates, at(np.array([0.3])))
        turned = method(at(ANGLES + 1), rates * scale, at(np.array([1.3])))
        np.testing.assert_allclose(turned, made * scale, atol=1e-8)


# Scores


def test_knowing_a_units_mean_earns_nothing_and_truth_earns_everything(rates):
    truth, scale = rates[0], np.array([1.0, 2.0, 5.0, 9.0])
    assert left_out_r2(truth, truth, scale) == 1
    assert left_out_r2(truth, np.broadcast_to(truth.mean(0), truth.shape), scale) == pytest.approx(0)
    worse = truth + 1
    factor = np.array([3.0, 0.1, 2.0, 1.0])
    assert left_out_r2(truth * factor, worse * factor, scale * factor) == pytest.approx(
        left_out_r2(truth, worse, scale)
    )


def test_predictions_that_fit_only_their_own_direction_are_the_best_of_all_orders():
    null = shuffled_directions_null(np.eye(5), np.mean)
    assert null["p"] == pytest.approx(1 / 120)
    assert shuffled_directions_null(np.zeros((5, 5)), np.mean)["p"] == 1
    assert shuffled_directions_null(np.eye(9), np.mean)["p"] < 0.001


# The design


@pytest.mark.parametrize("n_directions", range(4, 21))
def test_every_direction_has_others_to_choose_its_regime_by(n_directions):
    pairs = inner_pairs(n_directions)
    assert len(pairs) <= 3 * n_directions
    for left_out in range(n_directions):
        tests = inner_groups(left_out, n_directions)
        assert tests
        assert left_out not in tests
        steps = [min((i - left_out) % n_directions, (left_out - i) % n_directions) for i in tests]
        assert min(steps) >= (2 if n_directions >= 6 else 1)


@pytest.mark.parametrize("held_out", [(), tuple("024681")])
def test_every_unit_is_judged_once_and_never_recorded_when_it_is(held_out):
    config = dataclasses.replace(SMALL, n_folds=3, held_out=held_out)
    activity = recirc.Activity(np.ones((4, 9, 12)), dt=0.02, conditions=range(4))
    folds = unit_folds(activity, config, seed=0)
    judged = sorted(map(int, held_out)) if held_out else list(range(12))
    assert sorted(np.concatenate(folds)) == judged
    for fold, members in enumerate(folds):
        recorded = recorded_units(activity, fold, config, seed=0)
        assert len(recorded) == 3
        assert not set(recorded) & set(judged if held_out else members)


def test_units_held_out_are_those_that_are_judged(tmp_path):
    activity = read_netcdf(recording(tmp_path / "a.nc"))
    config = dataclasses.replace(SMALL, held_out=activity.units[:5], n_seeds=1)
    result = fit_recording(activity, config, key=jax.random.key(0))
    scales = judging_scales(prepare(activity, config), config, [[i] for i in range(6)])
    assert np.isfinite(scales[:, :5]).all()
    assert np.isinf(scales[:, 5:]).all()
    values = [row.value for row in result.rows if row.metric == "heldout_direction_r2"]
    assert np.isfinite([value for value in values if value is not None]).all()
    assert "Judged are 5 units" in result.about["notes"][-1]
    for wrong, message in ((("x",), "no unit that is used is called so"), (activity.units, "12 of 12 units")):
        with pytest.raises(ValueError, match=message):
            prepare(activity, dataclasses.replace(SMALL, held_out=wrong))


@pytest.mark.parametrize(("dt", "n_steps"), [(0.02, 21), (0.03, 14), (0.007, 50)])
def test_the_network_passes_through_the_recordings_own_times(dt, n_steps):
    time = 0.1 + dt * np.arange(n_steps)
    clock = network_clock(time, SMALL)
    assert clock[0] == pytest.approx(time[0] - SMALL.warm_up)
    assert clock[-1] >= time[-1] - 1e-9
    np.testing.assert_allclose(np.diff(clock), SMALL.dt)
    curve = np.sin(7 * clock)[None, :, None]
    np.testing.assert_allclose(resample(curve, clock, time)[0, :, 0], np.sin(7 * time), atol=1e-4)


def test_what_happens_in_a_left_out_direction_changes_no_prediction_of_it(tmp_path):
    """The theorem of the whole design: choice, training, map and baselines never see what they are judged on."""
    found = []
    for name, change in (("a.nc", None), ("b.nc", 2)):
        ready = prepare(read_netcdf(recording(tmp_path / name, change=change)), SMALL)
        fitting = _Fitting(ready, SMALL, 0, map)
        completions = fitting.complete()
        regime = fitting.choose_regimes(completions)[True][2]
        piece = Piece((2,), 1, 0, regime.candidate, (regime.penalty,), completion=completions[2,])
        made = {name: values[2] for name, values in fitting.baselines(completions).items() if name != "direct_map"}
        predicted = train_piece(ready, SMALL, 0, piece).arrays["prediction"]
        found.append([regime, predicted, left_out_scales(np.asarray(ready.rates), 5.0)[2], made])
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[0][2], found[1][2])
    for name, values in found[0][3].items():
        np.testing.assert_array_equal(values, found[1][3][name])


def test_a_unit_is_left_out_by_what_other_directions_say(rates):
    """A unit that responds in one direction alone has noise for all that others know: it does not count there."""
    random, error = np.random.default_rng(0), np.full(rates.shape, 0.3)
    noisy = rates.copy()
    noisy[:, :, 0] = 5 + 0.3 * random.normal(size=rates.shape[:2])
    noisy[2, :, 0] += 20 * np.hanning(rates.shape[1])
    make = lambda rates: recirc.Activity(rates, dt=0.02, conditions=np.rad2deg(ANGLES), standard_error=error)  # noqa: E731
    alone = [[i] for i in range(6)]
    scales = judging_scales(make(noisy), FitConfig(), alone)
    assert np.argwhere(np.isinf(scales)).tolist() == [[2, 0]]
    other = noisy.copy()
    other[5] = 9 * random.random(rates.shape[1:])  # whatever happens in a direction, all that judges it stays
    np.testing.assert_array_equal(judging_scales(make(other), FitConfig(), alone)[5], scales[5])
    strict = FitConfig(n_folds=2, preprocessing=Preprocessing(minimum_reliability=1.0))
    assert not reliable_units(make(noisy), [0], strict).any()
    with pytest.raises(ValueError, match="no unit with the reliability of 1"):
        fit_recording(make(noisy), strict, key=jax.random.key(0))


def test_hints_are_standardized_and_behavior_is_used_where_there_is_any(tmp_path):
    trained = np.array([0, 1, 3, 4, 5])
    for outputs in (False, True):
        ready = prepare(read_netcdf(recording(tmp_path / f"{outputs}.nc", outputs=outputs)), SMALL)
        assert np.abs(np.asarray(ready.outputs)).max() == pytest.approx(30 if outputs else 1, rel=0.02)
        recorded, known = recorded_units(ready, 0, SMALL, seed=0), covariates_of(ready)
        trials = make_trials(ready, SMALL, recorded, trained, known.encoded, np.full((6, 1), 0.1))
        recorded = np.asarray(trials.hints)[trained][:, round(SMALL.warm_up / SMALL.dt) :: 2]
        np.testing.assert_allclose(recorded.mean((0, 1)), 0, atol=1e-9)
        np.testing.assert_allclose(recorded.std((0, 1)), 1, atol=1e-9)
        assert np.abs(np.asarray(trials.targets)[trained]).max() == pytest.approx(1, abs=0.01)


def test_repeats_of_a_direction_are_averaged_and_tell_their_error(tmp_path):
    single = read_netcdf(recording(tmp_path / "a.nc", angles=ANGLES[[0, 1, 2, 3, 3, 4, 5]]))
    single = single.replace(rates=single.rates.at[4].add(2.0))
    ready = prepare(single, SMALL)
    assert (ready.n_trials, ready.trial_counts) == (6, (1, 1, 1, 2, 1, 1))
    np.testing.assert_allclose(ready.rates[3], single.rates[3] + 1)
    np.testing.assert_allclose(ready.standard_error[3], 1.0)
    assert np.isnan(ready.standard_error[0]).all()


# Whole runs


def test_a_fit_leaves_a_whole_folder_that_can_be_drawn_again_and_compared(tmp_path, serial, capsys):
    data, out = recording(tmp_path / "six.nc"), tmp_path / "run"
    result = experiment.run(fit.experiment(data, SMALL, seed=0), out)
    assert verify(out) == []
    begins = capsys.readouterr().err.splitlines()[0]
    n = 3 * len(inner_pairs(6)) + 6 * SMALL.n_folds * SMALL.n_seeds
    assert begins.startswith(f"A fit trains {n} networks and runs {n} untrained ones: about")
    which = lambda entry: (*entry["left_out"], *map(entry.get, ("fold", "seed", *Candidate._fields)))  # noqa: E731
    trained = set(map(which, result.history))
    assert len(trained) == n
    for name in ("activity.nc", "networks.nc", "history.jsonl", "manifest.json", "config.toml", "report.html"):
        assert (out / name).stat().st_size > 0
    metrics = json.loads((out / "metrics.json").read_text())
    rows = [row for row in metrics["rows"] if row["condition"]["set"] == "heldout_direction" and row["baselines"]]
    assert len([row for row in rows if row["arm"] == "network"]) == 2 * 6
    assert len([row for row in rows if row["arm"] == "ensemble"]) == 6
    for row in rows:
        assert row["condition"]["fraction"] == 0.25
        assert set(row["baselines"]) == set(fit.BASELINES)
    assert len(metrics["claims"]) == 4
    assert read_dataset(out / "networks.nc").sizes["network"] == 2 * 6 * 2
    pictures = {path.name: path.read_bytes() for path in (out / "figures").glob("*.svg")}
    assert len(pictures) == 4
    build(out)
    assert {name: (out / "figures" / name).read_bytes() for name in pictures} == pictures

    likeness = tmp_path / "likeness"
    with pytest.warns(UserWarning, match="21 samples for 5 dimensions"):
        experiment.run(compare.experiment(data, out, compare.CompareConfig(n_draws=10)), likeness)
    assert is_done(likeness)
    scores = json.loads((likeness / "metrics.json").read_text())["rows"]
    assert {row["metric"] for row in scores} >= {
        "svcca5_concatenated", "svcca5_per_condition", "linear_cka", "procrustes_angle", "cca_mean4", "dsa",
    }  # fmt: skip
    assert {row["null"]["kind"] for row in scores} == {"rotated_conditions", "flipped_components"}
    assert all(row["ci"][0] < row["ci"][1] for row in scores)


def test_the_order_and_kind_of_the_map_do_not_matter(tmp_path):
    activity = read_netcdf(recording(tmp_path / "a.nc"))
    config = dataclasses.replace(SMALL, n_seeds=1, bias_scales=(0.5,), gain_factors=(), penalties=(0.01,))
    backwards = lambda function, pieces: map(function, reversed(pieces))  # noqa: E731
    first, second = (fit_recording(activity, config, key=jax.random.key(3), map=each) for each in (map, backwards))
    assert first.rows == second.rows
    xr.testing.assert_identical(first.arrays, second.arrays)
    other = fit_recording(activity, config, key=jax.random.key(4))
    assert other.rows != first.rows


def test_nine_directions_of_other_bins_with_behavior_work(tmp_path, serial):
    angles = np.deg2rad([0, 35, 80, 110, 160, 210, 240, 290, 330])
    data = recording(tmp_path / "nine.nc", angles=angles, outputs=True, dt=0.025, n_units=10)
    config = dataclasses.replace(
        SMALL, n_seeds=1, bias_scales=(0.5,), gain_factors=(), penalties=(0.01,), recorded_fraction=None
    )
    experiment.run(fit.experiment(data, config, seed=0), tmp_path / "run")
    assert "behavior that the file holds" in (tmp_path / "run" / "report.json").read_text()
    assert is_done(tmp_path / "run")


@pytest.mark.parametrize("failure", ["diverged", "raised"])
def test_a_network_that_fails_is_one_failed_row(tmp_path, failure):
    def map_with_a_failure(function, pieces):
        for piece in pieces:
            done = function(piece)
            if isinstance(piece, Piece) and piece.seed == 0 and piece.left_out == (1,) and piece.is_trained:
                bad = recirc.analyses.Result({}, {"outcome": failure, "history": []})
                done = done._replace(result=bad if failure == "diverged" else recirc.analyses.Failure(failure))
            yield done

    config = dataclasses.replace(SMALL, bias_scales=(0.5,), gain_factors=(), penalties=(0.01,))
    activity = read_netcdf(recording(tmp_path / "a.nc"))
    result = fit_recording(activity, config, key=jax.random.key(0), map=map_with_a_failure)
    bad = result.table[~np.isfinite(result.table["value"])]
    assert bad["outcome"].tolist() == [failure]
    assert bad["arm"].tolist() == ["network"]


TINY = dataclasses.replace(
    SMALL, n_seeds=1, bias_scales=(0.5,), gain_factors=(), penalties=(0.01, 0.1), trainer=recirc.train.Ridge((1e-4,))
)


def test_networks_that_choose_and_untrained_ones_may_fail_and_are_told(tmp_path):
    """One of each: no fit is lost, and each failure is a note, that of an untrained network a row too."""

    def map_with_failures(function, pieces):
        for piece in pieces:
            is_bad = (
                isinstance(piece, Piece)
                and piece.left_out == ((0, 2) if piece.is_inner else (1,))
                and piece.is_trained == piece.is_inner
            )
            done = function(piece)
            yield done._replace(result=recirc.analyses.Failure(f"seed {piece.seed} broke")) if is_bad else done

    activity = read_netcdf(recording(tmp_path / "a.nc"))
    result = fit_recording(activity, TINY, key=jax.random.key(0), map=map_with_failures)
    settings = "{'bias_scale': 0.5, 'gain': 1.0, 'drive': 1.0, 'noise': 1.0, 'inputs': 1.0, 'completion': 'raw'}"
    assert [note for note in result.about["notes"] if "failed" in note] == [
        f"A trained network that chooses failed (left out 10 and 120, seed -1, {settings}): seed -1 broke",
        *[f"An untrained network failed (left out 70, seed 0, {settings}): seed 0 broke"] * 2,
    ]
    bad = result.table[~np.isfinite(result.table["value"])]
    assert bad[["arm", "direction", "outcome"]].to_numpy().tolist() == [["untrained", "70", "seed 0 broke"]]
    assert [claim.n for claim in result.claims] == [5, 6, 6, 6]
    assert all(np.isfinite(claim.effect) for claim in result.claims)


def test_a_regime_is_chosen_from_what_is_left():
    config = dataclasses.replace(TINY, bias_scales=(0.0, 1.0))
    scores = np.zeros((2, 2, 3)) + np.array([0.1, 0.2])[:, None, None]
    scores[0, 1] = 0.15
    choose = lambda: best_choice(scores, [0, 1, 2], config, "it broke.")  # noqa: E731
    assert choose()[:2] == (config.candidates[1], 0.01)
    scores[1, :, 2] = np.nan  # incomplete, and out
    assert choose() == (config.candidates[0], 0.1, pytest.approx(0.15))
    scores[0, :, 0] = np.nan  # none is complete
    assert choose() == (config.candidates[1], 0.01, pytest.approx(0.2))
    scores[:] = np.nan
    with pytest.raises(ValueError, match="the last: it broke"):
        choose()


def test_a_failed_network_says_why_of_its_own_seed(rates):
    activity = recirc.Activity(
        rates, dt=0.02, conditions=np.rad2deg(ANGLES), covariates={"direction": np.rad2deg(ANGLES)}, outputs=rates
    )
    networks = np.full((2, *rates.shape), np.nan)
    failures = {("network", 0, 3): "first", ("network", 1, 3): "second", ("untrained", 1, 3): "third"}
    names = ("cosine_tuning", "gp", "untrained")
    baselines = dict.fromkeys(names, rates)
    rows = make_rows(activity, TINY, [[i] for i in range(6)], networks, baselines, {}, failures, key=jax.random.key(0))
    said = [(row.arm, row.condition["seed"], row.condition["outcome"]) for row in rows if "seed" in row.condition]
    assert [each for each in said if each[2] != "no value"] == [
        ("network", 0, "first"), ("network", 1, "second"), ("untrained", 1, "third"),
    ]  # fmt: skip


def test_any_trainer_that_uses_hints_can_be_chosen_and_others_are_refused():
    ridge = recirc.runs.load_config(FitConfig, overrides=["trainer.kind=Ridge", "trainer.noise=0.1"]).trainer
    assert ridge == recirc.train.Ridge(noise=0.1)
    assert ridge.scaled(gain=2.0, noise=0.5) == recirc.train.Ridge(embedder_gain=2.0, noise=0.05)
    assert ridge.scaled(gain=2.0).initial_gain == 2.0
    assert recirc.train.Force().initial_gain == 1.0
    bptt = recirc.runs.load_config(FitConfig, overrides=["trainer.kind=Bptt", "trainer.hint_weight=2"]).trainer
    assert bptt == recirc.train.Bptt(hint_weight=2.0)
    with pytest.raises(ValueError, match="Force makes no use of hints"):
        recirc.runs.load_config(FitConfig, overrides=["trainer.kind=Force"])


@pytest.mark.parametrize("trainer", [recirc.train.Ridge((1e-4,)), recirc.train.Bptt(n_passes=1, n_updates=2)])
def test_a_fit_with_another_trainer_runs(trainer, tmp_path):
    activity = read_netcdf(recording(tmp_path / "a.nc"))
    config = dataclasses.replace(
        SMALL, n_seeds=1, bias_scales=(0.5,), gain_factors=(), penalties=(0.01,), trainer=trainer
    )
    result = fit_recording(activity, config, key=jax.random.key(0))
    assert np.isfinite(result.table["value"]).all()


# Likeness


def test_a_recording_is_like_itself_beyond_both_nulls(tmp_path):
    activity = read_netcdf(recording(tmp_path / "a.nc"))
    with pytest.warns(UserWarning, match="21 samples for 5 dimensions"):
        result = recirc.analyses.likeness(activity, activity, key=jax.random.key(0))
    values = result.table.groupby("metric")["value"].first()
    assert all(claim.supported is not False for claim in result.claims)
    assert values["linear_cka"] == pytest.approx(1)
    assert values["procrustes_angle"] == pytest.approx(0, abs=1e-6)


def test_conditions_in_another_order_are_matched(tmp_path):
    activity = read_netcdf(recording(tmp_path / "a.nc"))
    turned = activity.select([3, 1, 0, 2, 5, 4])
    same = in_order_of(activity, turned)
    np.testing.assert_array_equal(same.rates, activity.rates)
    assert jax.tree.structure(same) == jax.tree.structure(activity)
