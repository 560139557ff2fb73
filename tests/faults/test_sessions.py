"""Sessions with faults: found, named and either mended by leaving out, counted, or refused."""

import contextlib
import dataclasses
import importlib
import json

import h5py
import jax
import numpy as np
import pytest
from typer.testing import CliRunner

import recirc
from recirc.analyses.fit_config import FitConfig
from recirc.analyses.fit_prepare import prepare
from recirc.analyses.fit_trials import ceilings, recorded_units
from recirc.cli import app
from recirc.data import read_prepared, write_netcdf
from recirc.data.findings import BLOCKS, NOTE, WRONG, check_session, fewest_units
from recirc.data.preprocessing import Preprocessing
from recirc.data.session import Series, Session
from recirc.runs import dump_config, load_config
from recirc.studies import check
from recirc.studies.fit import experiment

KEY = jax.random.key(0)
N_TRIALS, N_UNITS = 32, 10


def session(**changes):
    """Ten tuned Poisson units, four directions, eight trials each, a hand and two muscles; seconds."""
    random = np.random.default_rng(0)
    start = 0.5 + 2.0 * np.arange(N_TRIALS)
    angles = np.tile([0.0, 90.0, 180.0, 270.0], N_TRIALS // 4)
    go = start + 0.6 + 0.01 * random.integers(0, 10, N_TRIALS)
    time = np.arange(0, 66, 0.005)
    nearest = np.clip(np.searchsorted(start, time, side="right") - 1, 0, N_TRIALS - 1)
    spikes = []
    for unit in range(N_UNITS):
        phase = np.cos(np.deg2rad(angles[nearest]) - unit) * np.exp(-(((time - go[nearest] - 0.2) / 0.2) ** 2))
        counts = random.poisson(np.maximum(12 + 25 * phase, 0.5) * 0.005)
        spikes.append(np.sort(np.repeat(time, counts) + random.uniform(0, 0.005, counts.sum())))
    bell = np.exp(-(((time - go[nearest] - 0.4) / 0.1) ** 2))
    heading = np.deg2rad(angles[nearest])
    velocity = bell[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    parts = {
        "spikes": tuple(spikes),
        "units": tuple(f"u{i}" for i in range(N_UNITS)),
        "trials": {
            "start_time": start,
            "stop_time": start + 1.8,
            "go_cue_time": go,
            "target_dir": angles,
            "id": np.arange(N_TRIALS) + 100,
        },
        "series": {
            "hand_vel": Series(velocity, ("x", "y"), "m/s", rate=200.0),
            "emg": Series(random.normal(size=(len(time), 2)), ("a", "b"), "V", rate=200.0),
        },
        "source": "made.nwb",
    }
    return Session(**(parts | changes))


def with_trials(**columns):
    return session(trials=session().trials | columns)


def with_spikes(change, unit=3):
    spikes = list(session().spikes)
    spikes[unit] = change(spikes[unit].copy())
    return session(spikes=tuple(spikes))


def changed(column, place, value):
    values = session().trials[column].copy()
    values[place] = value
    return with_trials(**{column: values})


def put(place, value):
    def change(times):
        times[place] = value
        return times

    return change


SPIKES = {
    "not finite": put(5, np.nan),
    "negative": put(0, -0.25),
    "out of order": put(7, 0.001),
    "repeated": lambda times: np.insert(times, 9, times[9]),
}


@pytest.mark.parametrize("reason", SPIKES)
def test_spikes_that_cannot_be_right_are_refused_or_left_out_and_counted(reason):
    bad = with_spikes(SPIKES[reason])
    with pytest.raises(ValueError, match=f"unit u3 has 1 spike times that are {reason}, the first at index"):
        Preprocessing().apply(bad, key=KEY)
    made = Preprocessing(drop_bad=True).apply(bad, key=KEY)
    (dropped,) = [each for each in made.dropped if each.what == "spikes"]
    assert (dropped.reason, dropped.names, dropped.count) == (reason, ("u3",), 1)
    assert "1 spikes of 1 units" in dropped.sentence
    findings, _ = check_session(bad, Preprocessing(), key=KEY)
    assert [f.level for f in findings if reason in f.what] == [BLOCKS]
    findings, _ = check_session(bad, Preprocessing(drop_bad=True), key=KEY)
    assert [f.level for f in findings if reason in f.what] == [NOTE]


def test_what_can_be_left_out_does_not_end_the_look():
    trials = TRIALS["repeated id"][0].trials
    both = dataclasses.replace(with_spikes(SPIKES["repeated"]), trials=trials)
    findings, prepared = check_session(both, Preprocessing(), key=KEY)
    assert {(f.level, f.where, f.can_drop) for f in findings[:2]} == {
        (BLOCKS, "units/spike_times", True),
        (BLOCKS, "trials", True),
    }
    assert prepared is not None
    assert prepared.single_trials.n_trials == N_TRIALS - 1
    assert not prepared.chain.drop_bad


def test_an_error_in_several_parts_is_told_whole():
    hand = dataclasses.replace(session().series["hand_vel"], start=500.0)
    stop = session().trials["stop_time"].copy()
    stop[::2] = session().trials["go_cue_time"][::2] + 0.2
    lost = session(series={"hand_vel": hand}, trials=session().trials | {"stop_time": stop})
    findings, prepared = check_session(lost, Preprocessing(window=(-0.3, 0.8)), key=KEY)
    (found,) = [finding for finding in findings if finding.where == "preparation"]
    parts = "too short for the window (16); behavior is missing in the window (16)"
    assert (found.what, prepared) == (f"No trials are left ({parts}).", None)
    assert found.mend == "Change the window, the event or the conditions."


def test_infinite_spike_times_are_not_finite():
    with pytest.raises(ValueError, match="not finite"):
        Preprocessing().apply(with_spikes(put(-1, np.inf)), key=KEY)


def test_spikes_of_coarse_counts_may_repeat():
    coarse = dataclasses.replace(with_spikes(SPIKES["repeated"]), resolution=0.005)
    assert Preprocessing().apply(coarse, key=KEY).dropped == ()


@pytest.mark.parametrize(("factor", "words"), [(1e3, "milliseconds"), (3e4, "samples")])
def test_spikes_in_another_unit_of_time_are_refused(factor, words):
    wrong = session(spikes=tuple(times * factor for times in session().spikes))
    with pytest.raises(ValueError, match=f"spike times look like {words}"):
        Preprocessing().apply(wrong, key=KEY)
    findings, prepared = check_session(wrong, Preprocessing(drop_bad=True), key=KEY)
    assert findings[0].level == BLOCKS
    assert words in findings[0].what
    assert prepared is None


def test_trials_in_another_unit_of_time_are_refused():
    times = {name: session().trials[name] * 1e3 for name in ("start_time", "stop_time", "go_cue_time")}
    with pytest.raises(ValueError, match="trial times look like milliseconds"):
        Preprocessing().apply(with_trials(**times), key=KEY)
    both = dataclasses.replace(with_trials(**times), spikes=tuple(times * 1e3 for times in session().spikes))
    with pytest.raises(ValueError, match="spikes and trials look like milliseconds"):
        Preprocessing().apply(both, key=KEY)


START = session().trials["start_time"]
TRIALS = {
    "repeated id": (changed("id", 5, 101), "105|101"),
    "overlaps the trial before": (changed("stop_time", 4, START[5] + 0.1), "105"),
    "stop not after start": (changed("stop_time", 6, START[6] - 0.1), "106"),
    "no go_cue_time": (changed("go_cue_time", 7, np.nan), "107"),
    "go_cue_time outside the trial": (changed("go_cue_time", 8, START[8] + 5), "108"),
    "no start or stop": (changed("stop_time", 9, np.nan), "109"),
}


@pytest.mark.parametrize("reason", TRIALS)
def test_trials_that_cannot_be_right_are_listed_and_left_out_on_request_only(reason):
    bad, name = TRIALS[reason]
    with pytest.raises(ValueError, match=f"{reason}: ({name})"):
        Preprocessing().apply(bad, key=KEY)
    made = Preprocessing(drop_bad=True).apply(bad, key=KEY)
    (dropped,) = [each for each in made.dropped if each.reason == reason]
    assert dropped.count == 1
    assert made.single_trials.n_trials == N_TRIALS - 1
    findings, prepared = check_session(bad, Preprocessing(), key=KEY)
    assert [f.level for f in findings if reason in f.what] == [BLOCKS]
    assert prepared is not None


def test_a_missing_column_names_those_there_are_and_the_nearest():
    for chain, words in (
        (Preprocessing(align="go_cue"), "did you mean 'go_cue_time'"),
        (Preprocessing(conditions=("target_direction",)), "did you mean 'target_dir'"),
        (Preprocessing(behavior=("hand_velocity",)), "there are hand_vel, emg"),
        (Preprocessing(behavior=("emg:c",)), "it has a, b"),
    ):
        with pytest.raises(ValueError, match=words):
            chain.apply(session(), key=KEY)
        findings, _ = check_session(session(), chain, key=KEY)
        assert findings[0].level == BLOCKS


def test_no_table_of_trials_is_found():
    empty = {name: column[:0] for name, column in session().trials.items()}
    findings, prepared = check_session(session(trials=empty, series={}), Preprocessing(), key=KEY)
    assert ("There is no table of trials." in findings[0].what, prepared) == (True, None)


def test_short_trials_are_left_out_and_counted_and_rates_are_never_filled_with_zeros():
    stop = session().trials["stop_time"].copy()
    stop[[1, 5, 9]] = session().trials["go_cue_time"][[1, 5, 9]] + 0.2
    made = Preprocessing(window=(-0.3, 0.8)).apply(with_trials(stop_time=stop), key=KEY)
    (dropped,) = made.dropped
    assert (dropped.reason, dropped.names) == ("too short for the window", ("101", "105", "109"))
    assert made.single_trials.n_trials == N_TRIALS - 3
    whole = Preprocessing(window=(-0.3, 0.8)).apply(session(), key=KEY)
    kept = np.setdiff1d(np.arange(N_TRIALS), [1, 5, 9])
    np.testing.assert_array_equal(made.single_trials.rates, whole.single_trials.rates[kept])
    with pytest.raises(ValueError, match=r"no trials are left \(too short for the window \(32\)\)"):
        Preprocessing(window=(-0.3, 3.0)).apply(session(), key=KEY)


def test_time_that_was_not_observed_is_not_taken_for_silence():
    trials = session().trials
    spans = np.stack([trials["start_time"], trials["stop_time"]], axis=1)
    half = (np.delete(spans, 3, axis=0),) * N_UNITS
    made = Preprocessing().apply(session(observed=half), key=KEY)
    assert [(each.reason, each.names) for each in made.dropped] == [
        ("most units were not observed in the window", ("103",))
    ]
    one = (spans,) * 9 + (spans[:10],)
    made = Preprocessing().apply(session(observed=one), key=KEY)
    assert [(each.what, each.names) for each in made.dropped] == [("units", ("u9",))]
    assert made.single_trials.n_trials == N_TRIALS


def test_conditions_with_one_trial_have_no_error_and_few_conditions_block():
    labels = session().trials["target_dir"].copy()
    labels[labels == 90.0] = 45.0
    labels[1] = 90.0
    odd = with_trials(target_dir=labels)
    made = Preprocessing().apply(odd, key=KEY)
    place = made.averages.conditions.index("90")
    assert np.isnan(made.averages.standard_error[place]).all()
    assert np.isfinite(np.delete(np.asarray(made.averages.standard_error), place, axis=0)).all()
    findings, _ = check_session(odd, Preprocessing(), key=KEY)
    assert [f.level for f in findings if "90 (1)" in f.what] == [WRONG]
    fewer = Preprocessing(minimum_trials=2).apply(odd, key=KEY)
    assert "90" not in fewer.averages.conditions
    assert fewer.dropped[0].count == 1
    findings, _ = check_session(session(), Preprocessing(conditions=()), key=KEY)
    assert (findings[0].level, findings[0].where) == (BLOCKS, "conditions")


def test_silent_and_unreliable_units_are_left_out_and_listed():
    silent = with_spikes(lambda times: times[:0])
    made = Preprocessing().apply(silent, key=KEY)
    assert [(each.reason, each.names) for each in made.dropped] == [("the rate never changes", ("u3",))]
    noise = np.sort(np.random.default_rng(1).uniform(0, 66, 300))
    made = Preprocessing(minimum_reliability=0.5).apply(with_spikes(lambda _: noise), key=KEY)
    assert [(each.reason, each.names) for each in made.dropped] == [("reliability below 0.5", ("u3",))]
    assert made.reliability.min() > 0.5
    with pytest.raises(ValueError, match="no unit fires"):
        Preprocessing().apply(session(spikes=(np.empty(0),) * N_UNITS), key=KEY)


def test_copies_of_units_are_found():
    spikes = session().spikes
    copied = session(spikes=(*spikes[:9], spikes[2]))
    findings, _ = check_session(copied, Preprocessing(), key=KEY)
    assert [f.level for f in findings if "u2 and u9" in f.what] == [WRONG]


def test_names_of_units_that_repeat_are_refused():
    twice = session(units=("u0",) * 2 + tuple(f"u{i}" for i in range(2, N_UNITS)))
    with pytest.raises(ValueError, match=r"names of units repeat \(u0\)"):
        Preprocessing().apply(twice, key=KEY)
    assert check_session(twice, Preprocessing(), key=KEY)[0][0].level == BLOCKS


def test_behavior_on_another_clock_is_found_and_its_trials_left_out():
    hand = session().series["hand_vel"]
    late = session(series={"hand_vel": dataclasses.replace(hand, start=30.0)})
    findings, prepared = check_session(late, Preprocessing(), key=KEY)
    assert [f.level for f in findings if "of the trials" in f.what] == [WRONG]
    assert prepared is not None
    assert {each.reason for each in prepared.dropped} == {"behavior is missing in the window"}
    gone = session(series={"hand_vel": dataclasses.replace(hand, start=500.0)})
    with pytest.raises(ValueError, match="behavior is missing"):
        Preprocessing().apply(gone, key=KEY)


def test_timestamps_that_fall_are_found():
    time = np.arange(0, 66, 0.005)
    time[100] = 0.0
    hand = Series(session().series["hand_vel"].values, ("x", "y"), "", timestamps=time)
    findings, _ = check_session(session(series={"hand_vel": hand}), Preprocessing(), key=KEY)
    assert findings[0].what == "Timestamps do not rise."
    assert [f.level for f in findings if f.what == "No unit is given."] == [NOTE]


def test_a_clean_session_has_no_finding_that_blocks_and_every_finding_is_whole():
    findings, prepared = check_session(session(), Preprocessing(), key=KEY)
    assert BLOCKS not in {finding.level for finding in findings}
    assert prepared is not None
    every = [check_session(bad, Preprocessing(), key=KEY)[0] for bad, _ in TRIALS.values()]
    for finding in (each for found in every for each in found):
        assert all(dataclasses.asdict(dataclasses.replace(finding, can_drop=True)).values())


def test_what_is_left_open_is_guessed_and_said():
    made = Preprocessing().apply(session(), key=KEY)
    chain = made.chain
    assert (chain.align, chain.conditions, chain.behavior) == ("go_cue_time", ("target_dir",), ("hand_vel",))
    assert len(made.guesses) == 5
    assert all(guess.endswith(".") for guess in made.guesses)
    again = chain.apply(session(), key=KEY)
    assert again.guesses == ()
    np.testing.assert_array_equal(again.single_trials.rates, made.single_trials.rates)


def test_raw_emg_is_rectified():
    made = Preprocessing(behavior=("emg",)).apply(session(), key=KEY)
    assert made.chain.rectify == ("emg",)
    assert made.single_trials.outputs.min() >= 0
    assert any("raw EMG" in guess for guess in made.guesses)


def test_a_chain_is_the_same_after_a_file(tmp_path):
    chain, _ = Preprocessing(lag=0.1).resolved(session())
    for each in (chain, Preprocessing(), Preprocessing(conditions=(), behavior=("emg:a",), window=(-0.1, 0.5))):
        (tmp_path / "chain.toml").write_text(dump_config(each))
        assert load_config(Preprocessing, tmp_path / "chain.toml") == each


@pytest.mark.parametrize(
    "wrong", [{"dt": 0.0}, {"smoothing": -1.0}, {"minimum_trials": 0}, {"window": (0.1, 0.0)}, {"lag": np.nan}]
)
def test_a_chain_that_cannot_work_is_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        Preprocessing(**wrong)


def test_a_lag_pairs_activity_with_later_behavior():
    now, later = (Preprocessing(lag=lag).apply(session(), key=KEY) for lag in (0.0, 0.1))
    np.testing.assert_allclose(later.single_trials.outputs[:, :-10], now.single_trials.outputs[:, 10:], atol=1e-12)
    np.testing.assert_array_equal(later.single_trials.rates, now.single_trials.rates)


def test_averages_and_counts_are_those_of_the_trials_that_were_kept():
    made = Preprocessing(smoothing=0.0).apply(session(), key=KEY)
    start, stop = made.chain.window or (0.0, 0.0)
    go = session().trials["go_cue_time"]
    for i, times in enumerate(session().spikes):
        counts = [((times >= each + start) & (times < each + stop)).sum() for each in go]
        np.testing.assert_allclose(made.single_trials.rates[:, :, i].sum(axis=1) * made.chain.dt, counts, rtol=1e-12)
    assert made.averages.trial_counts == (8,) * 4
    np.testing.assert_allclose(made.averages.rates[1], made.single_trials.rates[1::4].mean(axis=0), rtol=1e-6)


@pytest.fixture
def held(monkeypatch):
    """The command line reads this session whatever the file is."""

    def hold(made):
        monkeypatch.setattr(importlib.import_module("recirc.data.read"), "read_recording", lambda path: made)
        monkeypatch.setattr(check, "read_recording", lambda path: made)

    return hold


def test_check_ends_with_0_1_or_2(held, tmp_path):
    run = CliRunner().invoke
    (tmp_path / "text.nwb").write_text("spikes\n")
    result = run(app, ["check", str(tmp_path / "text.nwb")])
    assert (result.exit_code, "unreadable" in result.output) == (2, True)
    with h5py.File(tmp_path / "counts.nc", "w") as file:
        file["rates"] = np.ones((2, 3, 4))
    result = run(app, ["check", str(tmp_path / "counts.nc")])
    assert (result.exit_code, "A fit is blocked." in result.output) == (1, True)
    held(session())
    result = run(app, ["check", "made.nwb", "--json", "--figure", str(tmp_path / "a.png")])
    assert result.exit_code == 0
    assert json.loads(result.output)["summary"]["units"] == N_UNITS
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    held(TRIALS["repeated id"][0])
    result = run(app, ["check", "made.nwb"])
    assert result.exit_code == 1
    assert "BLOCKS A FIT in trials" in result.output
    assert run(app, ["check", "made.nwb", "--drop-bad"]).exit_code == 0
    assert run(app, ["check", "made.nwb", "--set", "preprocessing.dropbad=true"]).exit_code == 2
    assert run(app, ["check", "made.nwb", "--figure", str(tmp_path / "a.gif")]).exit_code == 2
    assert run(app, ["check", "made.nwb", "--figure", str(tmp_path / "none" / "a.png")]).exit_code == 2


def test_a_fit_of_a_session_with_faults_says_all_that_blocks_and_leaves_nothing(held, tmp_path):
    held(TRIALS["no go_cue_time"][0])
    result = CliRunner().invoke(app, ["fit", "made.nwb", "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "no go_cue_time: 107" in result.output
    assert not (tmp_path / "run").exists()


def test_averages_carry_what_is_known_of_them(held):
    trials = {"target_x": np.cos(np.deg2rad(session().trials["target_dir"])), "block": np.arange(N_TRIALS) // 16}
    held(with_trials(**trials, move_time=session().trials["go_cue_time"] + 0.2))
    prepared = read_prepared("made.nwb", Preprocessing(), for_fit=False)
    found = recirc.read("made.nwb")
    assert (found.conditions, found.trial_counts) == (("0", "90", "180", "270"), (8,) * 4)
    assert set(found.covariates) == {"target_dir", "target_x"}  # a block is no property of a condition
    np.testing.assert_array_equal(found.covariates["target_dir"], [0, 90, 180, 270])
    assert dict(found.events) == {"go_cue_time": 0, "move_time": pytest.approx(0.2)}
    np.testing.assert_array_equal(found.standard_error, prepared.averages.standard_error)
    spread = np.asarray(prepared.single_trials.rates[1::4]).std(axis=0, ddof=1) / np.sqrt(8)
    np.testing.assert_allclose(found.standard_error[1], spread, rtol=1e-12)
    assert found.notes == prepared.averages.notes
    assert found.notes[0] == "Trials are aligned to go_cue_time (other events: move_time)."
    assert found.notes[5] == f"Kept {N_TRIALS} trials of 4 conditions and {N_UNITS} units."
    again = recirc.Activity.from_xarray(found.to_xarray())
    assert (again.covariates, again.events, again.notes) == (found.covariates, found.events, found.notes)


def test_a_file_of_averages_is_prepared_as_it_is(tmp_path):
    written = recirc.Activity(np.random.default_rng(0).uniform(1, 9, (4, 9, 3)), dt=0.01, conditions="abcd")
    write_netcdf(written, tmp_path / "a.nc")
    prepared = read_prepared(tmp_path / "a.nc", Preprocessing())
    np.testing.assert_array_equal(prepared.averages.rates, written.rates)
    assert (prepared.single_trials, prepared.reliability, prepared.chain) == (None, None, Preprocessing())
    assert len(prepared.most_reliable(2)) == 2
    np.testing.assert_array_equal(recirc.read(tmp_path / "a.nc").rates, written.rates)


@pytest.mark.parametrize(
    ("n_units", "n_folds", "fraction", "is_enough"),
    [(9, 5, None, False), (10, 5, None, True), (5, 2, None, True), (9, 4, 0.05, False), (9, 4, 0.06, True)],
)
def test_check_and_fit_need_equally_many_units(n_units, n_folds, fraction, is_enough):
    made = session(spikes=session().spikes[:n_units], units=session().units[:n_units])
    config = FitConfig(n_folds=n_folds, recorded_fraction=fraction)
    checked = check.check(made, config)
    assert any(f"{n_units} units can be used" in f.what for f in checked.findings if f.level == BLOCKS) != is_enough
    averages = checked.prepared.averages
    for_averages = check.check(averages, config)
    assert (for_averages.code == check.CLEAN) == is_enough == (n_units >= fewest_units(n_folds, fraction))
    with contextlib.nullcontext() if is_enough else pytest.raises(ValueError, match=f"{n_units} units that change"):
        prepare(averages, config)
        assert all(len(recorded_units(averages, fold, config, seed=0)) for fold in range(n_folds))


def test_a_fit_knows_the_ceiling_and_writes_the_chain_down(held, tmp_path):
    held(session())
    found = experiment(tmp_path / "made.nwb", FitConfig(n_folds=2), seed=0)
    assert 'align = "go_cue_time"' in found.config()
    averages = read_prepared(tmp_path / "made.nwb", Preprocessing()).averages
    assert any("Kept 32 trials" in note for note in averages.notes)
    made = prepare(averages, FitConfig(n_folds=2))
    scales = np.ptp(made.rates, axis=(0, 1)) + np.full((4, 1), 5.0)
    assert all(ceiling is not None and 0.2 < ceiling < 1 for ceiling in ceilings(made, scales))
    assert ceilings(made.replace(standard_error=None), scales) == [None] * 4
