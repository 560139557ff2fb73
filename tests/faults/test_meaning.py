"""Sessions whose values mean something else than they seem to: told by names, lengths, clocks and movements."""

import dataclasses
import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

from recirc.analyses.fit_config import FitConfig
from recirc.data import Preprocessing, Series, condition_labels
from recirc.data.coverage import FIRES_NOT
from recirc.data.directions import condition_angles, no_circle
from recirc.data.findings import BLOCKS, NOTE, WRONG, check_session
from recirc.data.names import is_called, words
from recirc.data.targets import target_centre
from recirc.runs import dump_config, load_config
from recirc.studies import check
from recirc.studies.fit import with_held_out

_SPEC = importlib.util.spec_from_file_location("sessions", Path(__file__).with_name("test_sessions.py"))
sessions = importlib.util.module_from_spec(_SPEC)  # pyright: ignore[reportArgumentType]
_SPEC.loader.exec_module(sessions)  # pyright: ignore[reportOptionalMemberAccess]
KEY = jax.random.key(0)
MADE = sessions.session()
ANGLES, START, STOP = (MADE.trials[name] for name in ("target_dir", "start_time", "stop_time"))
EIGHTHS = np.arange(8) * 45.0


def found_in(session, **settings):
    return check_session(session, Preprocessing(**settings), key=KEY)


def matching(findings, text):
    return [each.level for each in findings if text in each.what]


# Directions


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.arange(-3.0, 5), "8 values span 7 degrees"),
        (np.array([1.0, 2, 3, 5, 6, 8]), "span 7 degrees"),
        (np.arange(8) + 0.5, "span 7 degrees"),
        (np.arange(8) / 8, "span 0.875 degrees"),
        (np.arange(1.0, 13), "count from 1"),
        (np.arange(8) * 100.0, "more than a turn"),
        (np.concatenate([np.deg2rad(EIGHTHS), EIGHTHS]), "look like radians"),
    ],
)
def test_numbers_that_make_no_circle_are_no_directions(values, why):
    told = np.resize(values, sessions.N_TRIALS)
    labels = condition_labels({"target_dir": told}, ["target_dir"])
    assert labels == [f"{value:.9g}" for value in told]
    assert why in no_circle(values)
    assert condition_angles(labels) is None
    findings, prepared = found_in(sessions.with_trials(target_dir=told), conditions=("target_dir",))
    assert not [each for each in findings if each.level == BLOCKS and each.where == "conditions"]
    assert [each for each in prepared.guesses if "Values of target_dir are not taken as angles" in each and why in each]


@pytest.mark.parametrize("scale", [1, np.pi / 180])
@pytest.mark.parametrize("angles", [EIGHTHS, EIGHTHS - 180, np.arange(5) * 22.5, np.arange(16) * 22.5 - 90])
def test_degrees_and_radians_of_a_circle_stay_directions(angles, scale):
    labels = condition_labels({"dir": angles * scale + 1e-9 * (scale != 1)}, ["dir"])
    assert np.array(labels, float) == pytest.approx(angles % 360, abs=1e-3)


@pytest.mark.parametrize("middle", [(0, 0), (960, 540), (2, -33), (3, 4)])
@pytest.mark.parametrize("angles", [EIGHTHS, EIGHTHS[:5], EIGHTHS[:4]])
def test_targets_are_taken_about_the_middle_of_their_circle(angles, middle):
    turn = np.deg2rad(angles)
    trials = {"target_x": middle[0] + 8 * np.cos(turn), "target_y": middle[1] + 8 * np.sin(turn)}
    assert condition_labels(trials, ["target_x", "target_y"]) == [f"{angle:g}" for angle in angles]
    pairs = np.stack(list(trials.values()), axis=1)
    assert condition_labels({"target_pos": pairs}, ["target_pos"]) == [f"{angle:g}" for angle in angles]


def test_scattered_targets_far_from_zero_have_no_directions():
    positions = np.random.default_rng(0).uniform(-5, 5, (9, 2)) + np.array([90, 40])
    assert target_centre(positions) is None
    labels = condition_labels({"target_x": positions[:, 0], "target_y": positions[:, 1]}, ["target_x", "target_y"])
    assert condition_angles(labels) is None


@pytest.mark.parametrize("is_velocity", [True, False])
def test_directions_must_be_those_in_which_the_hand_moved(is_velocity):
    hand = MADE.series["hand_vel"]
    if not is_velocity:
        hand = dataclasses.replace(hand, values=7 + 0.005 * np.cumsum(hand.values, axis=0))
    series = {"hand_vel" if is_velocity else "hand_position": hand}
    shuffled = np.array([0.0, 180.0, 270.0, 90.0])[(ANGLES / 90).astype(int)]
    for labels, level in ((ANGLES, None), (shuffled, BLOCKS), ((90 - ANGLES) % 360, NOTE), (ANGLES + 45, NOTE)):
        findings, _ = found_in(sessions.session(series=series, trials=MADE.trials | {"target_dir": labels}))
        told = [each.level for each in findings if "Movements in" in each.what or "mean movement" in each.what]
        assert told == ([] if level is None else [level])


# Trials and units that count


def failed_session():
    failed = np.arange(sessions.N_TRIALS) % 3 == 0
    trials = MADE.trials | {"target_dir": np.where(failed, (ANGLES + 180) % 360, ANGLES)}
    quality = np.array(["good"] * 9 + ["mua"], str)
    result = np.where(failed, "F", "R")
    return sessions.session(trials=trials | {"result": result}, unit_columns={"quality": quality}), failed


def test_outcomes_are_told_and_a_filter_leaves_out_and_counts():
    session, failed = failed_session()
    findings, _ = found_in(session)
    assert matching(findings, "several values of result: R (21), F (11)") == [WRONG]
    assert matching(findings, "several values of quality: good (9), mua (1)") == [NOTE]
    assert matching(findings, f"In {failed.sum()} of 32 trials") == [WRONG]
    keep = {"keep": {"result": "R"}, "keep_units": {"quality": ["good"]}}
    made = Preprocessing(**keep).apply(session, key=KEY)
    trials = {name: column[~failed] for name, column in session.trials.items()}
    alone = sessions.session(trials=trials, spikes=session.spikes[:9], units=session.units[:9])
    expected = Preprocessing().apply(alone, key=KEY)
    np.testing.assert_array_equal(made.averages.rates, expected.averages.rates)
    np.testing.assert_array_equal(made.averages.outputs, expected.averages.outputs)
    assert [(each.what, each.reason, each.count) for each in made.dropped] == [
        ("trials", "result is not R", 11),
        ("units", "quality is not good", 1),
    ]
    assert made.dropped[0].names == tuple(str(100 + i) for i in np.flatnonzero(failed))
    findings, _ = found_in(session, **keep)
    assert not [each for each in findings if "several values" in each.what or "trials hand_vel goes" in each.what]


@pytest.mark.parametrize(
    ("column", "wanted", "n_kept"),
    [
        (np.arange(32) % 4 == 0, True, 8),
        ((np.arange(32) % 4 == 0).astype("u1"), True, 8),
        (np.arange(32.0), ">= 30", 2),
        (np.arange(32) % 2, 1, 16),
        (np.arange(32) % 2, "1", 16),
        (np.where(np.arange(32) < 3, "bad", "ok"), "!= bad", 29),
        (np.where(np.arange(32) < 3, "Good", "ok"), "good", 3),
        (np.where(np.arange(32) < 3, np.nan, 1.0), "<2", 29),
    ],
)
def test_a_filter_takes_values_of_any_type_and_comparisons(column, wanted, n_kept):
    made = Preprocessing(keep={"mark": wanted}, conditions=()).apply(sessions.with_trials(mark=column), key=KEY)
    assert made.single_trials.n_trials == n_kept


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"keep": {"reslt": "R"}}, "did you mean 'result'"),
        ({"keep": {"result": "X"}}, r"no trials are left \(result is not X"),
        ({"keep": {"result": ()}}, "no trials are left"),
        ({"keep_units": {"depth": 1}}, "the units have no such column; there are quality"),
        ({"keep_units": {"quality": "excellent"}}, "no units are left"),
    ],
)
def test_a_filter_that_names_no_column_or_keeps_nothing_is_refused(keep, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**keep).apply(failed_session()[0], key=KEY)
    findings, prepared = found_in(failed_session()[0], **keep)
    assert (findings[0].level, prepared) == (BLOCKS, None)


def test_a_filter_can_be_set_from_a_file_and_from_the_command_line(tmp_path):
    (tmp_path / "fit.toml").write_text('[preprocessing]\nkeep = {result = ["R", "S"], "odd name" = 1}\n')
    config = load_config(FitConfig, tmp_path / "fit.toml", ['preprocessing.keep_units={quality="good"}'])
    assert config.preprocessing.keep == {"result": ("R", "S"), "odd name": 1}
    assert config.preprocessing.keep_units == {"quality": "good"}
    (tmp_path / "again.toml").write_text(dump_config(config))
    assert load_config(FitConfig, tmp_path / "again.toml") == config
    assert load_config(FitConfig, None, ["preprocessing.keep.result=R"]).preprocessing.keep == {"result": "R"}
    for wrong in ("preprocessing.keep=R", "preprocessing.keep={result={a=1}}"):
        with pytest.raises(ValueError, match="keep"):
            load_config(FitConfig, None, [wrong])


# Coverage


@pytest.mark.parametrize("silent", [lambda t: t > 30.6, lambda t: t < 20.2, lambda t: (t > 10.1) & (t < 14.3)])
def test_trials_in_which_nothing_was_recorded_are_left_out_and_named(silent):
    lost = sessions.session(spikes=tuple(times[~silent(times)] for times in MADE.spikes))
    findings, made = found_in(lost)
    (dropped,) = made.dropped
    windows = MADE.trials["go_cue_time"][:, None] + np.linspace(*made.chain.window, 200)
    expected = silent(windows).mean(axis=1) > 0.1
    assert set(dropped.names) == {str(100 + i) for i in np.flatnonzero(expected)}
    assert dropped.reason.startswith(FIRES_NOT)
    assert matching(findings, FIRES_NOT) == [WRONG]
    whole = Preprocessing(window=made.chain.window).apply(MADE, key=KEY)
    kept = np.flatnonzero(~expected)
    clear = kept[~silent(windows[kept]).any(axis=1)]
    np.testing.assert_allclose(
        np.asarray(made.single_trials.rates).mean(axis=(1, 2))[np.isin(kept, clear)],
        np.asarray(whole.single_trials.rates).mean(axis=(1, 2))[clear],
        rtol=0.05,
    )


def test_a_unit_that_is_lost_is_told():
    findings, _ = found_in(sessions.with_spikes(lambda times: times[times < 30]))
    assert matching(findings, "u3 (the last 17).") == [WRONG]
    assert not matching(found_in(MADE)[0], "none of the first or last")


def test_units_that_lose_many_spikes_are_left_out_with_them():
    half = sessions.with_spikes(lambda times: np.concatenate([times[len(times) // 2 :], times[: len(times) // 2]]))
    made = Preprocessing(drop_bad=True).apply(half, key=KEY)
    assert [(each.what, each.names) for each in made.dropped] == [("spikes", ("u3",)), ("units", ("u3",))]


# Clocks


def test_hours_of_spikes_after_the_trials_are_no_milliseconds():
    after = 100 + np.arange(0, 40_000, 5.0)
    made = Preprocessing().apply(sessions.session(spikes=tuple(np.append(t, after) for t in MADE.spikes)), key=KEY)
    np.testing.assert_array_equal(made.averages.rates, Preprocessing().apply(MADE, key=KEY).averages.rates)


@pytest.mark.parametrize("by", [0.0005, 0.05])
def test_trials_that_touch_are_all_used_and_told(by):
    findings, made = found_in(sessions.with_trials(stop_time=np.append(START[1:] + by, STOP[-1])))
    assert made.single_trials.n_trials == sessions.N_TRIALS
    assert BLOCKS not in {each.level for each in findings}
    assert matching(findings, "31 trials begin up to") == [NOTE]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: np.sort(np.mod(t - START[0], 2.0)[np.mod(t - START[0], 2.0) < 1.8]),
            "counted from the start of each",
        ),
        (lambda t: t + 1e5, "they do not meet"),
    ],
)
def test_spikes_on_another_clock_are_told_for_what_they_are(change, message):
    spikes = tuple(np.unique(change(times)) for times in MADE.spikes)
    with pytest.raises(ValueError, match=message):
        Preprocessing().apply(sessions.session(spikes=spikes), key=KEY)


def test_behavior_that_never_moves_and_slow_behavior_are_findings():
    hand = MADE.series["hand_vel"]
    still = dataclasses.replace(hand, values=np.full_like(hand.values, 0.1))
    findings, _ = found_in(sessions.session(series={"hand_vel": still}))
    assert [each.what for each in findings if each.level == BLOCKS] == ["Behavior never changes."]
    one = dataclasses.replace(hand, values=hand.values * [1, 0])
    assert matching(found_in(sessions.session(series={"hand_vel": one}))[0], "never changes") == [WRONG]
    for rate, level in ((1.0, WRONG), (0.2, BLOCKS)):
        slow = Series(np.random.default_rng(0).normal(size=(int(70 * rate) + 2, 2)), ("x", "y"), "m/s", rate=rate)
        assert matching(found_in(sessions.session(series={"hand_vel": slow}))[0], "A sample every")[:1] == [level]


# Names and switches


def test_names_are_matched_by_whole_words():
    assert words("targetDir2_deg") == "target_dir_2_deg"
    for pattern, yes, no in (("vel", "hand_vel", "light_level"), ("pos", "pos", "exposure"), ("go", "goCue", "cargo")):
        assert (is_called(pattern, yes), is_called(pattern, no)) == (True, False)
    lamp = Series(np.sin(np.arange(1400.0))[:, None], ("0",), "lux", rate=20.0)
    hand = MADE.series["hand_vel"]
    decoys = dict.fromkeys(("light_level", "novelty", "reinforcement", "exposure"), lamp)
    chain, _ = Preprocessing().resolved(sessions.session(series=decoys | {"hand_position": hand}))
    assert chain.behavior == ("hand_position",)
    assert Preprocessing().resolved(sessions.session(series=decoys))[0].behavior == ()
    with_decoy = sessions.with_trials(rectangle=np.arange(32) % 4 * 1.0, cargo_on=START + 0.3)
    assert Preprocessing().resolved(with_decoy)[0].align == "go_cue_time"


def test_only_raw_muscles_are_rectified():
    made = Preprocessing(behavior=("hand_vel", "emg:b")).apply(MADE, key=KEY)
    alone = Preprocessing(behavior=("hand_vel",)).apply(MADE, key=KEY)
    assert made.chain.rectify == ("emg",)
    np.testing.assert_array_equal(np.asarray(made.averages.outputs)[:, :, :2], alone.averages.outputs)
    assert np.asarray(made.averages.outputs)[:, :, 2].min() > 0


def test_events_of_whole_seconds_and_of_unusual_shapes_are_used_or_told():
    whole = {"start_time": np.arange(32) * 2, "stop_time": np.arange(32) * 2 + 2, "go_cue_time": np.arange(32) * 2 + 1}
    assert Preprocessing().resolved(sessions.with_trials(**whole))[0].align == "go_cue_time"
    go = MADE.trials["go_cue_time"]
    column = Preprocessing().apply(sessions.with_trials(go_cue_time=go[:, None], target_dir=ANGLES[:, None]), key=KEY)
    np.testing.assert_array_equal(column.averages.rates, Preprocessing().apply(MADE, key=KEY).averages.rates)
    for odd in (np.stack([go, go], axis=1), go.astype(str), np.full(32, np.nan)):
        findings, _ = found_in(sessions.with_trials(go_cue_time=odd))
        assert [each.level for each in findings if each.where == "trials/go_cue_time"] == [NOTE]


@pytest.mark.parametrize("noise", [0.05, 0])
def test_a_column_of_too_many_values_is_the_reason_that_there_is_one_condition(noise):
    values = np.arange(32) * 11.25 if not noise else ANGLES + np.random.default_rng(0).normal(0, noise, 32)
    findings, _ = found_in(sessions.with_trials(target_dir=values))
    assert matching(findings, "target_dir has 32 different values in 32 trials") == [BLOCKS]


def test_a_column_of_held_out_units_decides_what_is_judged():
    marked = np.arange(sessions.N_UNITS) < 4
    session = sessions.session(unit_columns={"heldout": marked})
    config = FitConfig(n_folds=2, held_out=("heldout",))
    found = check.check(session, config)
    assert (found.code, str(found.summary["a fit can tell"])[:14]) == (check.CLEAN, "4 units judged")
    assert with_held_out(config, found.prepared).held_out == ("u0", "u1", "u2", "u3")
    wrong = check.check(session, FitConfig(n_folds=2, held_out=("depth",)))
    assert (wrong.code, wrong.findings[0].level) == (check.BLOCKED, BLOCKS)
    none = Preprocessing().apply(sessions.session(unit_columns={"heldout": ~marked & marked}), key=KEY)
    with pytest.raises(ValueError, match="marks no unit"):
        with_held_out(config, none)
