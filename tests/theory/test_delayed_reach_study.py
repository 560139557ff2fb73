"""The delayed reach study: its reference, its clocks, its levels, its claims."""

import dataclasses
import itertools

import jax
import numpy as np
import pandas as pd
import pytest

import recirc
from recirc.analyses import Result, Row, frame
from recirc.analyses.levels import SHOWN, judge, level_verdicts
from recirc.analyses.reference import reference_rows
from recirc.analyses.summaries import network_rows
from recirc.analyses.verdict import on_the_reference_clock
from recirc.compare.mechanism import INITIAL as IC
from recirc.compare.mechanism import INPUT, SUFFICES
from recirc.data import write_netcdf
from recirc.runs.experiment import run
from recirc.studies import kao2019
from recirc.studies.kao2019 import PLACE, design, network, references
from recirc.studies.kao2019.claims import claims, judge_all

CIRCUIT = {"kind": "circuit", "seed": 0, "n_units": 50}
SHORT = {"n_passes": 1, "n_updates": 2, "ramp": 0, "n_passes_least": 0, "learning_rate": 3e-3}


def recording(tmp_path, start=-0.6, n_steps=60, labels=None, n_repeats=1):
    """Smooth rates in eight directions, saved."""
    labels = labels or [f"{45 * i}" for i in range(8)]
    random = np.random.default_rng(0)
    rates = 20 + np.abs(np.cumsum(random.normal(size=(len(labels) * n_repeats, n_steps, 30)), axis=1))
    a = recirc.Activity(rates, dt=0.02, conditions=labels * n_repeats, start=start)
    write_netcdf(a, tmp_path / "session.nc")
    return tmp_path / "session.nc"


@pytest.fixture(scope="module")
def reference():
    return references.load(CIRCUIT)


def specification(**changes):
    preset = design.Preset(1, (0.1,), 5)
    entry = design.specifications(preset, 0, CIRCUIT)[0]
    return {**entry, "n_units": 20, "training": SHORT, **changes}


class TestReference:
    def test_the_circuit_moves_out_of_a_prepared_state(self):
        """Conditions differ before movement onset, activity dies away after it, and a second circuit stands beside."""
        reference = references.load(CIRCUIT)
        assert reference.mechanism == IC
        assert reference.another is not None
        assert reference.another.conditions == reference.activity.conditions
        time, rates = reference.activity.time, np.asarray(reference.activity.rates)
        np.testing.assert_allclose([time[0], time[-1]], [design.COMPARED[0] + 0.01, design.COMPARED[1]])
        spread = rates.std(axis=0).mean(axis=1)
        assert spread[time < 0].max() > 2 * spread[-1]

    def test_a_recording_is_cut_around_its_onset_and_averaged(self, tmp_path):
        path = recording(tmp_path, start=0.0, n_repeats=3)
        reference = references.load(references.describe(path, 0.6, 0))
        assert reference.activity.n_trials == 8
        assert reference.single_trials is not None
        assert reference.single_trials.n_trials == 24
        assert reference.mechanism is None
        assert references.angles_of(reference) == tuple(45.0 * np.arange(8))
        assert reference.activity.time[0] == pytest.approx(design.COMPARED[0], abs=0.021)

    def test_a_recording_that_does_not_cover_the_window_is_refused_before_anything_runs(self, tmp_path):
        path = recording(tmp_path, start=0.0)
        with pytest.raises(ValueError, match="--reference-onset"):
            kao2019.experiment(preset="quick", seed=0, reference=path)

    def test_what_is_no_file_is_refused_in_one_sentence(self, tmp_path):
        for path, sentence in ((tmp_path / "absent.nc", "no such file"), (tmp_path, "is a folder")):
            with pytest.raises(ValueError, match=sentence):
                kao2019.experiment(preset="quick", seed=0, reference=path)

    def test_labels_that_are_no_angles_are_refused(self, tmp_path):
        path = recording(tmp_path, labels=["left", "right", "up", "down"])
        with pytest.raises(ValueError, match="angle"):
            references.load(references.describe(path, 0.0, 0))

    def test_directions_are_named_as_the_task_names_them(self, tmp_path):
        path = recording(tmp_path, labels=["0.0", "90", "-90.0", "1.8e2", "45"])
        reference = references.load(references.describe(path, 0.0, 0))
        trials = design.measured_task(references.angles_of(reference), "on").trials(5, key=jax.random.key(0))
        assert reference.activity.conditions == trials.conditions == ("0", "90", "270", "180", "45")

    def test_a_direction_with_two_names_is_refused(self, tmp_path):
        path = recording(tmp_path, labels=["0", "90", "360"])
        with pytest.raises(ValueError, match="two names"):
            references.load(references.describe(path, 0.0, 0))

    def test_one_trial_of_a_direction_leaves_no_halves_to_compare(self, tmp_path):
        path = recording(tmp_path, labels=["0", "45", "90", "135", "180", "0", "90"])
        reference = references.load(references.describe(path, 0.0, 0))
        assert reference.single_trials is None
        assert reference.activity.n_trials == 5

    def test_too_few_directions_for_any_p_are_refused(self, tmp_path):
        path = recording(tmp_path, labels=["0", "90", "180", "270"])
        with pytest.raises(ValueError, match="fewer than 5"):
            references.load(references.describe(path, 0.0, 0))

    @pytest.mark.parametrize("start", [-0.6, -0.56, -0.441, -0.432])
    def test_a_recording_covers_every_window_or_is_refused(self, tmp_path, start):
        """Also one that begins a part of a step late."""
        description = references.describe(recording(tmp_path, start=start), 0.0, 0)
        if start > -0.44:
            with pytest.raises(ValueError, match="--reference-onset"):
                references.load(description)
        else:
            recirc.compare.window(references.load(description).activity, *design.PREPARATION)

    def test_a_changed_recording_is_another_specification(self, tmp_path):
        before = references.describe(recording(tmp_path), 0.0, 0)
        assert references.describe(recording(tmp_path, n_steps=70), 0.0, 0) != before


def test_networks_are_read_at_the_reference_times():
    """A rate that grows with time from movement onset has the time as its value."""
    reference = references.load(CIRCUIT)
    task = design.measured_task(references.angles_of(reference), "on")
    trials = task.trials(8, key=jax.random.key(0))
    onset = design.onset(task)
    ramp = np.broadcast_to((trials.time - onset)[None, :, None], (8, trials.n_steps, 3))
    made = recirc.Activity(ramp, outputs=ramp, dt=trials.dt, conditions=trials.conditions)
    seen = on_the_reference_clock(made, reference.activity, onset)
    np.testing.assert_allclose(seen.rates[3, :, 1], reference.activity.time, atol=1e-9)
    np.testing.assert_allclose(seen.time, reference.activity.time)


def test_long_steps_of_a_reference_are_means_over_those_of_the_network(tmp_path):
    """Of a ramp, the value half a step before the end but for half a step of the network's own."""
    reference = references.load(references.describe(recording(tmp_path), 0.0, 0))
    task = design.measured_task(references.angles_of(reference), "on")
    trials = task.trials(8, key=jax.random.key(0))
    onset = design.onset(task)
    ramp = np.broadcast_to((trials.time - onset)[None, :, None], (8, trials.n_steps, 3))
    made = recirc.Activity(ramp, outputs=ramp, dt=trials.dt, conditions=trials.conditions)
    seen = on_the_reference_clock(made, reference.activity, onset)
    np.testing.assert_allclose(seen.rates[0, :, 0], reference.activity.time - 0.005, atol=1e-9)


def test_every_network_of_a_preset_is_specified_once():
    for preset in design.PRESETS.values():
        entries = design.specifications(preset, 0, CIRCUIT)
        assert len({recirc.analyses.pieces.piece_key(entry) for entry in entries}) == len(entries)
        assert len(entries) == 2 * 2 * len(preset.rate_penalties) * preset.n_seeds


class TestNetwork:
    def test_is_the_same_bits_twice(self, reference):
        one, again = (network.train_network(reference, specification()) for _ in range(2))
        assert one.metadata == again.metadata
        assert all(np.array_equal(one.arrays[name], again.arrays[name], equal_nan=True) for name in one.arrays)

    @pytest.mark.parametrize("n_active", [0, 1, 3])
    def test_that_is_all_but_silent_is_measured_and_like_nothing(self, n_active, reference, monkeypatch):
        make = design.untrained

        def silent(*given, **named):
            made = make(*given, **named)
            level = np.where(np.arange(made.n_units) < n_active, 1.0, -50.0)
            return dataclasses.replace(made, bias=jax.numpy.asarray(level), start=jax.numpy.asarray(level))

        monkeypatch.setattr(design, "untrained", silent)
        result = network.train_network(reference, specification(arm="relu"))
        assert "flow" not in result.arrays
        judged = judge_all(frame([*REFERENCE, *network_rows(specification(arm="relu"), result, PLACE)]), IC).iloc[0]
        assert not judged["performs"]
        assert judged[["units", "population"]].isna().all()

    @pytest.mark.parametrize("line", design.TARGET_LINES)
    def test_every_mechanism_is_measured_with_the_target_on(self, reference, line):
        """Also of networks that never saw it after go in training, and their numbers say so."""
        result = network.train_network(reference, specification(target_line=line))
        rows = [row for row in result.metadata["rows"] if row["condition"].get("set") == "crossed_at_go"]
        assert {row["condition"]["target_after_go"] for row in rows} == {"on"}
        assert all(np.isfinite(row["value"]) for row in rows)
        outside = {row["metric"]: row["condition"]["outside_training"] for row in rows}
        assert outside["state_share"] == outside["movement_r2"] == (line == "off_at_go")
        assert outside["target_off_at_go_r2"] == (line == "on")
        (share,) = (row for row in rows if row["metric"] == "state_share")
        assert share["ci"][0] <= share["value"] <= share["ci"][1]
        assert share["condition"]["verdict"] == "undetermined"  # two updates teach nothing

    def test_stands_beside_its_twin_which_has_its_inputs_and_random_weights(self, reference, monkeypatch):
        seen = []
        real = network.rows_beside
        monkeypatch.setattr(
            network, "rows_beside", lambda a, *given, **named: seen.append(a) or real(a, *given, **named)
        )
        rows = network.train_network(reference, specification()).metadata["rows"]
        own, twin = ([row for row in rows if row["arm"] == arm] for arm in ("tanh", "untrained_tanh"))
        theirs = {(row["metric"], str(row["condition"])): row["value"] for row in twin}
        found = {
            (row["metric"], str(row["condition"])): row["baselines"]["untrained"] for row in own if row["baselines"]
        }
        assert {"cca_mean4", "procrustes_angle", "dsa", "unit_feature_distance"} <= {metric for metric, _ in found}
        assert found == theirs
        assert len(seen) == 2
        assert not np.allclose(seen[0].rates, seen[1].rates, atol=1e-6)

    def test_no_similarity_comes_without_its_null(self, reference):
        scores = network.train_network(reference, specification()).metadata["rows"]
        for metric in ("cca_mean4", "procrustes_angle", "jpca_ratio", "jpca_r2_skew", "alignment_index"):
            (found,) = (score for score in scores if (score["arm"], score["metric"]) == ("tanh", metric))
            assert 0 < found["null"]["p"] <= 1
        assert {"dsa", "dsa_identity", "dsa_speed_ratio"} <= {score["metric"] for score in scores}
        levels_found = {score["level"] for score in scores}
        assert levels_found == {"performance", "unit", "population", "mechanism", "robustness", "generalization"}


def test_a_second_circuit_has_like_units_and_is_another_individual():
    """Made by one recipe from other random numbers: which direction is which has nothing to do with the first."""
    reference = references.load({**CIRCUIT, "n_units": 110})
    rows = reference_rows(reference, design.comparison(0.0, 39), key=jax.random.key(0))
    second = [row for row in rows if row.arm == "second circuit"]
    assert judge(frame(second), None, by=["arm"])["units"].all()
    found = {row.metric: row for row in second if row.metric in ("cca_mean4", "procrustes_angle")}
    assert found["cca_mean4"].value > 0.99
    assert min(row.null["p"] for row in found.values() if row.null) > 0.05


def beside(p):
    return {"kind": "halves", "mean": 0.1, "p95": 0.15, "p": p, "certified": True}


def planted(
    name, *, units=0.5, population=0.5, ratio=0.8, p=0.01, verdict=IC, r2=0.99, quiet=0.01, noise=0.1, jump=0.95
):
    """Rows of one network."""
    arm, line, penalty, seed = name
    place = {"target_line": line, "rate_penalty": penalty, "seed": seed}
    null = {"kind": "shuffled_conditions", "mean": 0.3, "p95": 0.5, "p": p}
    rows = [
        Row("output_r2", "performance", arm, r2, condition={"set": "train"} | place),
        Row("output_nmse", "performance", arm, quiet, condition={"set": "train"} | place),
        *(
            Row(
                f"{name}_distance",
                level,
                arm,
                0.2,
                condition={"set": "halves"} | place,
                direction="lower",
                null=beside(own),
            )
            for name, level, own in (
                ("unit_peak_time", "unit", units),
                ("unit_multiphasic", "unit", 0.9),
                ("jpca_ratio", "population", population),
                ("cca_mean4", "population", 0.9),
            )
        ),
        Row("unit_feature_distance", "unit", arm, 0.2, condition={"set": "compared"} | place, ceiling=0.1),
        Row("jpca_ratio", "population", arm, ratio, condition={"set": "compared"} | place, null=null),
        Row("alignment_index", "population", arm, 0.3, condition={"set": "compared"} | place, null=null),
        Row("state_share", "mechanism", arm, 0.9, condition={"set": "crossed_at_go", "verdict": verdict} | place),
        Row("output_r2", "generalization", arm, jump, condition={"set": "heldout_direction"} | place),
    ]
    twin = {"null": null, "baselines": {"untrained": 1.1}}
    rows += [Row(m, "population", arm, 0.9, condition={"set": "compared"} | place, **twin) for m in SHOWN]
    for sigma in design.INPUT_NOISES:
        condition = {"set": "input_noise", "sigma": sigma} | place
        rows.append(Row("output_nmse", "robustness", arm, noise * sigma, condition=condition))
    for time in (-0.25, 0.0):
        condition = {"set": "target_switch", "time_s": time} | place
        rows.append(Row("output_r2", "generalization", arm, jump if time < 0 else -0.5, condition=condition))
    return rows


REFERENCE = [
    Row("jpca_ratio", "population", "reference", 0.8, (0.7, 0.9), n=30, condition={"set": "compared"}),
    Row("alignment_index", "population", "reference", 0.3, (0.2, 0.4), n=30, condition={"set": "compared"}),
]
NAME = ("tanh", "on", 0.1, 0)


class TestLevels:
    @pytest.mark.parametrize(
        ("change", "level", "expected"),
        [
            ({}, "units", True),
            ({}, "population", True),
            ({}, "mechanism", True),
            ({"units": 0.03}, "units", True),  # one of two distances: 0.06 by Holm
            ({"units": 0.02}, "units", False),
            ({"population": 0.02}, "population", False),
            ({"population": 0.02}, "units", True),
            ({"verdict": INPUT}, "mechanism", False),
            ({"verdict": "undetermined"}, "mechanism", None),
            ({"r2": 0.9}, "performs", False),
        ],
    )
    def test_each_is_judged_by_its_own_numbers(self, change, level, expected):
        found = judge_all(frame([*REFERENCE, *planted(NAME, **change)]), IC).loc[NAME, level]
        assert pd.isna(found) if expected is None else found == expected

    def test_an_unknown_mechanism_stays_unknown(self):
        table = frame(planted(NAME))
        verdicts = level_verdicts(table, frame(REFERENCE), None, by=design.NETWORK)
        assert judge(table, None, by=design.NETWORK)["mechanism"].isna().all()
        assert verdicts[2].n == 0
        assert "unknown" in verdicts[2].sentence
        assert "geometry does not tell" in verdicts[2].sentence

    def test_twins_that_pass_are_counted(self):
        twins = [
            row for i in range(3) for row in planted(("untrained_tanh", "on", 0.1, i), population=0.5 / 10 ** (i + 1))
        ]
        units, population, _ = level_verdicts(
            frame(planted(NAME)), frame(REFERENCE), IC, by=design.NETWORK, twins=frame(twins)
        )
        assert "Of untrained twins, 3 of 3 are alike, too." in units.sentence
        assert "Of untrained twins, 1 of 3 are alike, too." in population.sentence

    def test_sentences_hold_the_numbers_and_the_spread(self):
        changes = [{"ratio": 0.75}, {"ratio": 0.8}, {"ratio": 0.95, "population": 0.01}]
        rows = [row for i, each in enumerate(changes) for row in planted(("tanh", "on", 0.1, i), **each)]
        units, population, mechanism = level_verdicts(frame(rows), frame(REFERENCE), IC, by=design.NETWORK)
        assert (units.alike, population.alike, mechanism.alike) == (3, 2, 3)
        assert "0.8 (0.75 to 0.95), reference 0.8 (0.7 to 0.9)" in population.sentence
        assert "null 0.5, p 0.01" in population.sentence
        assert (
            "Further from the reference than its halves are from each other: jPCA ratio (1 of 3)."
            in population.sentence
        )


def grid(n_seeds, **by_line):
    """Rows of a study; `by_line` changes the networks of a target line."""
    rows = list(REFERENCE)
    for line in design.TARGET_LINES:
        for seed in range(n_seeds):
            name = ("tanh", line, 0.1, seed)
            rows += planted(name, **{"jump": 0.95 + 0.001 * seed, **by_line.get(line, {})})
    return rows


def judged(rows, change=lambda levels: None):
    """The claims that rows bear on, by name; `change` may edit what the networks were found to be."""
    table = frame(rows)
    levels = judge_all(table, IC)
    change(levels)
    names = ("performance", "units", "mechanisms", "trained", "noise", "delay", "go", "angles")
    return dict(zip(names, claims(table, levels, key=jax.random.key(0)), strict=True))


class TestClaims:
    def judged(self, n_seeds, **by_line):
        return judged(grid(n_seeds, **by_line))

    def test_planted_effects_are_judged_for_what_they_are(self):
        found = self.judged(12, on={"verdict": INPUT, "noise": 0.2, "population": 0.001})
        assert found["performance"].supported is True
        assert found["units"].supported is True  # the cell with the target on has the units and not the population
        assert found["units"].effect == 1.0
        assert found["mechanisms"].n == 0  # one network of a seed matches both, which has one mechanism
        assert found["trained"].supported is True
        assert found["trained"].effect == pytest.approx(0.2)
        assert found["noise"].supported is True
        assert found["noise"].effect == pytest.approx(2.0)
        assert found["delay"].supported is True
        assert found["delay"].effect == pytest.approx(0.9555, abs=1e-3)
        assert found["go"].effect == pytest.approx(-0.5)
        assert found["go"].supported is False
        assert found["angles"].n == 12

    @pytest.mark.parametrize("verdict", [INPUT, SUFFICES])
    def test_two_mechanisms_behind_one_likeness(self, verdict):
        """What dominates counts, whether or not the state would be enough."""
        assert self.judged(12, on={"verdict": verdict})["mechanisms"].supported is True
        assert self.judged(12, on={"verdict": verdict}, off_at_go={"verdict": INPUT})["mechanisms"].supported is False
        assert self.judged(12)["mechanisms"].supported is False

    def test_networks_without_a_verdict_say_nothing_of_mechanisms(self):
        found = self.judged(12, on={"verdict": INPUT}, off_at_go={"verdict": "undetermined"})
        assert [found[name].n for name in ("mechanisms", "noise", "delay", "go", "angles")] == [0] * 5

    def test_the_reverse_of_a_claim_is_contradicted(self):
        noise = self.judged(12, on={"verdict": INPUT, "noise": 0.01})["noise"]
        assert noise.supported is False
        assert noise.effect < 1

    def test_networks_that_do_not_perform_are_counted_against_the_study(self):
        performs = self.judged(12, on={"r2": 0.5})["performance"]
        assert (performs.supported, performs.effect) == (False, 0.0)

    def test_networks_that_do_not_do_the_task_have_nothing_to_say_on_the_other_claims(self):
        found = self.judged(12, on={"r2": 0.5, "population": 0.001, "verdict": INPUT})
        assert (found["units"].n, found["units"].effect) == (12, 0.0)
        assert (found["mechanisms"].n, found["noise"].n) == (0, 0)

    def test_one_odd_network_is_no_second_mechanism(self):
        def odd(levels):
            levels.loc[("tanh", "on", 0.1, 3), "verdict"] = "mixed"

        mechanisms = judged(grid(12), change=odd)["mechanisms"]
        assert (mechanisms.supported, mechanisms.effect) == (False, pytest.approx(1 / 12))

    def test_where_no_network_is_like_the_reference_nothing_is_said(self):
        found = self.judged(12, on={"units": 0.001}, off_at_go={"units": 0.001})
        assert (found["units"].supported, found["mechanisms"].supported) == (None, None)

    def test_errors_under_noise_are_compared_where_those_without_are_alike(self):
        assert self.judged(10, on={"verdict": INPUT, "quiet": 0.02})["noise"].n == 0
        assert self.judged(10, on={"verdict": INPUT, "quiet": 0.014})["noise"].n == 10

    def test_a_network_that_blows_up_in_a_test_counts_as_bad_and_not_as_missing(self):
        rows = grid(12, on={"verdict": INPUT})
        place = {"target_line": "off_at_go", "rate_penalty": 0.1}
        blown = [
            dataclasses.replace(
                row,
                value=-np.inf if row.metric == "output_r2" else np.inf,
                condition={**row.condition, "outcome": "not finite"},
            )
            if row.level in ("generalization", "robustness") and place.items() <= row.condition.items()
            else row
            for row in rows
        ]
        found = judged(blown)
        assert found["noise"].supported is False
        assert found["delay"].n == 12
        assert found["delay"].effect == pytest.approx(-1.0)

    def test_a_network_that_failed_is_counted_and_stops_nothing(self):
        place = {"target_line": "on", "rate_penalty": 0.1, "seed": 0}
        rows = [row for row in grid(10) if not place.items() <= row.condition.items()]
        lost = {"set": "train", "outcome": "it failed"} | place
        rows.append(Row("output_nmse", "performance", "tanh", np.nan, condition=lost, direction="lower"))
        assert judge_all(frame(rows), IC).loc[("tanh", "on", 0.1, 0), ["units", "population"]].isna().all()
        assert judged(rows)["performance"].effect == pytest.approx(0.9)

    def test_two_networks_per_cell_are_too_few_to_say(self):
        found = self.judged(2, on={"verdict": INPUT, "noise": 0.2, "population": 0.001})
        assert {claim.supported for claim in found.values()} == {None}
        assert all(claim.needs and claim.needs >= 8 for claim in found.values() if claim.n)


@pytest.fixture
def tiny(monkeypatch):
    """A preset of networks that hardly train; in the list go changes of their specifications."""
    monkeypatch.setitem(design.PRESETS, "tiny", design.Preset(1, (0.1,), 5))
    real, changes = design.specifications, [{}]
    monkeypatch.setattr(references, "describe", lambda *_: CIRCUIT)
    monkeypatch.setattr(
        design,
        "specifications",
        lambda *given: [
            {**entry, "n_units": 20, "training": SHORT} | change
            for entry, change in zip(real(*given)[::2], itertools.cycle(changes))
        ],
    )
    return changes


def test_a_study_of_networks_that_fail_or_have_few_units_ends_with_a_report(tiny, tmp_path):
    tiny[:] = [{"n_units": -1}, {"n_units": 3}]
    out = tmp_path / "run"
    run(kao2019.experiment(preset="tiny", seed=0), out)
    page = (out / "report.html").read_text()
    assert "n_units must be at least 1, got -1" in page
    assert "0 of 2 networks do the task" in page


def test_a_small_study_runs_from_start_to_report(tiny, tmp_path):
    out = tmp_path / "run"
    run(kao2019.experiment(preset="tiny", seed=0), out)
    assert recirc.runs.verify(out) == []
    page = (out / "report.html").read_text()
    assert "<script" not in page
    assert "stands in" in page
    assert len(list((out / "figures").glob("*.svg"))) == 7
    rows = recirc.runs.read_metrics((out / "metrics.json").read_text())[1]
    missed = [r for r in rows if r.metric == "goal_reached" and "seed" in r.condition]
    assert missed
    assert all(row.value == 0 for row in missed)  # said, not hidden: two updates teach nothing


def test_a_network_that_diverged_is_a_row_that_says_so():
    entry = specification(seed=3)
    result = Result({}, {"outcome": "Bptt diverged in pass 0", "scores": [], "history": []})
    (row,) = network_rows(entry, result, PLACE)
    assert np.isnan(row.value)
    assert "diverged" in row.condition["outcome"]
    assert row.condition["rate_penalty"] == entry["rate_penalty"]
    assert dataclasses.asdict(row)["arm"] == entry["arm"]
