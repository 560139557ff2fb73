"""The delayed reach study: its reference, its clocks, its levels, its claims."""

import dataclasses
import itertools

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import recirc
from recirc.analyses import Result, Row, frame
from recirc.analyses.levels import SHOWN, judge, level_verdicts
from recirc.analyses.reference import reference_rows
from recirc.analyses.summaries import network_rows
from recirc.analyses.verdict import on_the_reference_clock
from recirc.compare.mechanism import INITIAL as IC
from recirc.compare.mechanism import INPUT
from recirc.data import write_netcdf
from recirc.runs.experiment import run
from recirc.studies import kao2019
from recirc.studies.kao2019 import PLACE, design, network, references
from recirc.studies.kao2019.claims import claims, judge_all

CIRCUIT = {"kind": "circuit", "seed": 0, "n_units": 50}
SHORT = {**design.TRAINING, "n_passes": 1, "n_updates": 2, "ramp": 0}
TINY = design.Preset(1, ("tanh",), (0.1,), 5, 5, SHORT)


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
    return {**design.specifications(TINY, 0, CIRCUIT)[0], "n_units": 20, **changes}


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

    def test_preparation_and_movement_use_other_dimensions_as_in_recordings(self):
        """A constant input that holds the same state leaves them aligned."""
        found = references.load({**CIRCUIT, "n_units": 200}).activity
        index = recirc.compare.AlignmentIndex(design.PREPARATION, design.MOVEMENT, soft=None)
        assert 0.2 < index(found).value < 0.45

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
        trials = design.measured_task(references.angles_of(reference)).trials(5, key=jax.random.key(0))
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
    task = design.measured_task(references.angles_of(reference))
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
    task = design.measured_task(references.angles_of(reference))
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
        assert len(entries) == 3 * len(preset.arms) * len(preset.rate_penalties) * preset.n_seeds


def test_every_direction_is_left_out_by_as_many_seeds():
    angles = tuple(45.0 * np.arange(8))
    pairs = [design.left_out(angles, seed) for seed in range(8)]
    assert sorted(itertools.chain(*pairs)) == sorted(2 * angles)
    assert all(other - one == 180 for one, other in pairs)
    assert all(len(set(design.left_out(tuple(range(n)), seed))) == 2 for n in (5, 7) for seed in range(9))


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

    @pytest.mark.parametrize("share", design.TARGET_OFF_SHARES)
    def test_every_mechanism_is_measured_with_the_target_on(self, reference, share):
        """Whatever the target's input did in training, and the numbers say what is outside of that."""
        result = network.train_network(reference, specification(target_off_share=share))
        rows = [row for row in result.metadata["rows"] if row["condition"].get("set") == "crossed_at_go"]
        assert {row["condition"]["target_after_go"] for row in rows} == {"on"}
        assert all(np.isfinite(row["value"]) for row in rows)
        outside = {row["metric"]: row["condition"]["outside_training"] for row in rows}
        assert not outside["state_share"]
        assert outside["target_off_at_go_r2"] == (share == 0)
        (found,) = (row for row in rows if row["metric"] == "state_share")
        assert found["ci"][0] <= found["value"] <= found["ci"][1]
        assert found["condition"]["verdict"] == "undetermined"  # two updates teach nothing

    def test_directions_that_it_was_not_trained_on_are_those_it_is_judged_on(self, reference, monkeypatch):
        trained, judged = [], []
        fit, beside = network.fit, network.rows_beside
        monkeypatch.setattr(network, "fit", lambda *given, **named: trained.append(given[2]) or fit(*given, **named))
        monkeypatch.setattr(
            network, "rows_beside", lambda *given, **named: judged.append(given[2]) or beside(*given, **named)
        )
        for seed in (0, 1):
            network.train_network(reference, specification(seed=seed))
        for trials, config in zip(trained, judged[::2], strict=True):
            assert len(config.left_out) == 2
            assert set(trials.conditions) == {*reference.activity.conditions, "catch"} - set(config.left_out)
        assert judged[0].left_out != judged[2].left_out

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
        assert {"cca_mean4_crossfit_distance", "procrustes_angle_crossfit_distance", "unit_peak_time_distance"} <= {
            metric for metric, _ in found
        }
        assert found == theirs
        assert len(seen) == 2
        assert not np.allclose(seen[0].rates, seen[1].rates, atol=1e-6)

    def test_no_similarity_comes_without_its_null(self, reference):
        scores = network.train_network(reference, specification()).metadata["rows"]
        for metric in (
            "cca_mean4_crossfit",
            "procrustes_angle_crossfit",
            "jpca_ratio",
            "jpca_r2_skew",
            "alignment_index",
        ):
            (found,) = (score for score in scores if (score["arm"], score["metric"]) == ("tanh", metric))
            assert 0 < found["null"]["p"] <= 1
        assert {"dsa", "dsa_identity", "dsa_speed_ratio"} <= {score["metric"] for score in scores}
        levels_found = {score["level"] for score in scores}
        assert levels_found == {"performance", "unit", "population", "mechanism", "robustness", "generalization"}

    def test_later_seeds_have_the_numbers_and_neither_nulls_nor_activity(self, reference):
        result = network.train_network(reference, specification(seed=1, n_draws=0))
        rows = [row for row in result.metadata["rows"] if row["arm"] == "tanh"]
        assert {row["null"]["kind"] for row in rows if row["null"]} == {"halves"}
        assert {"jpca_ratio", "alignment_index", "dsa", "silent_units"} <= {row["metric"] for row in rows}
        assert {"rates", "outputs", "flow"}.isdisjoint(result.arrays)
        assert "recurrent" in result.arrays


def test_a_second_circuit_has_like_units_and_is_another_individual():
    """Made by one recipe from other random numbers: which direction is which has nothing to do with the first."""
    reference = references.load({**CIRCUIT, "n_units": 110})
    rows = reference_rows(reference, design.comparison(0.0, 39), key=jax.random.key(0))
    second = [row for row in rows if row.arm == "second circuit"]
    assert judge(frame(second), None, by=["arm"])["units"].all()
    found = {row.metric: row for row in second if row.metric in ("cca_mean4", "procrustes_angle")}
    assert found["cca_mean4"].value > 0.99
    assert min(row.null["p"] for row in found.values() if row.null) > 0.05


def test_networks_that_share_a_key_share_the_halves_of_the_reference(reference, monkeypatch):
    from recirc.analyses import reference as beside_reference

    calls, real = [], beside_reference.between_halves
    monkeypatch.setattr(
        beside_reference, "between_halves", lambda *given, **named: calls.append(given) or real(*given, **named)
    )
    config = dataclasses.replace(design.comparison(0.0, 0), n_splits=19, n_pairs=3)
    key, rows = jax.random.key(123), []
    for a in (reference.another, reference.another, reference.activity):
        rows.append(beside_reference.rows_beside(a, reference, config, key=key, brief=True, halves_key=key))
    assert len(calls) == 3  # units, similarities and portraits, once for all networks
    assert rows[0] == rows[1]
    alone = beside_reference.rows_beside(reference.another, reference, config, key=key, brief=True)
    assert [row.null["mean"] for row in alone[1:]] == [row.null["mean"] for row in rows[0][1:]]


@pytest.mark.parametrize(("share", "n_silent"), [(0.02, 0), (0.005, 2), (0.0, 2)])
def test_units_of_hardly_any_range_are_silent(share, n_silent):
    rates = np.random.default_rng(0).random((4, 30, 12))
    rates[:, :, :2] *= share
    a = recirc.Activity(rates, dt=0.01, conditions="abcd")
    assert (~recirc.analyses.reference.active_units(a)).sum() == n_silent


def test_published_values_say_where_they_are_from():
    rows = references.published_rows()
    assert {row.metric for row in rows} <= set(recirc.compare.labels()) | {"jpca_frequency"}
    assert len(rows) > 0
    assert all(
        {"doi", "dandiset"} & set(row.condition["source"].replace("(", "").split()) and row.condition["window"]
        for row in rows
    )


def beside(p):
    return {"kind": "halves", "mean": 0.1, "p95": 0.15, "p": p, "certified": True}


def planted(
    name, *, units=0.5, population=0.5, far=0.2, ratio=0.8, p=0.01, verdict=IC, r2=0.99, state=0.9, noise=0.1, jump=0.95
):
    """Rows of one network; `far` is its distance from the reference."""
    arm, share, penalty, seed = name
    place = {"target_off_share": share, "rate_penalty": penalty, "seed": seed}
    null = {"kind": "shuffled_conditions", "mean": 0.3, "p95": 0.5, "p": p}
    distances = (
        ("unit_peak_time", "unit", units), ("unit_multiphasic", "unit", 0.9),
        ("jpca_ratio", "population", population), ("procrustes_angle_crossfit", "population", 0.9),
    )  # fmt: skip
    rows = [
        Row("output_r2", "performance", arm, r2, condition={"set": "train"} | place),
        *(
            Row(f"{metric}_distance", level, arm, far, condition={"set": "halves"} | place, direction="lower",
                null=beside(own), baselines={"untrained": far + 0.2})
            for metric, level, own in distances
        ),
        Row("silent_units", "unit", arm, 0.1, condition={"set": "compared"} | place),
        Row("jpca_ratio", "population", arm, ratio, condition={"set": "compared"} | place, null=null),
        Row("alignment_index", "population", arm, 0.3, condition={"set": "compared"} | place, null=null),
        Row("state_share", "mechanism", arm, state, condition={"set": "crossed_at_go", "verdict": verdict} | place),
        Row("output_r2", "generalization", arm, jump, condition={"set": "heldout_direction"} | place),
    ]  # fmt: skip
    rows += [Row(m, "population", arm, 0.9, condition={"set": "compared"} | place, null=null) for m in SHOWN]
    for where in design.NOISES:
        rows.append(
            Row("output_nmse", "robustness", arm, noise, condition={"set": where, "sigma": design.NOISE} | place)
        )
    for time in (-0.25, 0.0):
        condition = {"set": "target_switch", "time_s": time} | place
        rows.append(Row("output_r2", "generalization", arm, jump if time < 0 else -0.5, condition=condition))
    return rows


REFERENCE = [
    Row("jpca_ratio", "population", "reference", 0.8, (0.7, 0.9), n=30, condition={"set": "compared"}),
    Row("alignment_index", "population", "reference", 0.3, (0.2, 0.4), n=30, condition={"set": "compared"}),
]
NAME = ("tanh", 0.0, 0.1, 0)


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
            row for i in range(3) for row in planted(("untrained_tanh", 0.0, 0.1, i), population=0.5 / 10 ** (i + 1))
        ]
        units, population, _ = level_verdicts(
            frame(planted(NAME)), frame(REFERENCE), IC, by=design.NETWORK, twins=frame(twins)
        )
        assert "Of untrained twins, 3 of 3 are alike, too." in units.sentence
        assert "Of untrained twins, 1 of 3 are alike, too." in population.sentence

    def test_sentences_hold_the_numbers_and_the_spread(self):
        changes = [{"ratio": 0.75}, {"ratio": 0.8}, {"ratio": 0.95, "population": 0.01}]
        rows = [row for i, each in enumerate(changes) for row in planted(("tanh", 0.0, 0.1, i), **each)]
        units, population, mechanism = level_verdicts(frame(rows), frame(REFERENCE), IC, by=design.NETWORK)
        assert (units.alike, population.alike, mechanism.alike) == (3, 2, 3)
        assert "0.8 (0.75 to 0.95), reference 0.8 (0.7 to 0.9)" in population.sentence
        assert "null 0.5, p 0.01" in population.sentence
        assert (
            "Further from the reference than its halves are from each other: jPCA ratio (1 of 3)."
            in population.sentence
        )


SLOPE = np.log(0.2)  # of log error on the share of the state


def grid(n_seeds, n=4, change=lambda share, i, seed: {}):
    """Rows of a study: the target's share decides the state's, which decides the error under noise.

    `change` may alter the network of each share, number and seed.
    """
    rows, random = list(REFERENCE), np.random.default_rng(0)
    for seed, share, i in itertools.product(range(n_seeds), design.TARGET_OFF_SHARES, range(n)):
        state = 1.6 * share + 0.03 * i
        noise = np.exp(share + SLOPE * state + 0.001 * random.normal())
        about = {"state": state, "noise": noise, "far": 0.2 + 0.1 * random.random(), "jump": 0.95 + 0.001 * seed}
        rows += planted(("tanh", share, 0.1 * i, seed), **about | change(share, i, seed))
    return rows


def judged(rows):
    """The claims that rows bear on, by name."""
    table = frame(rows)
    names = ("performance", "units", "mechanisms", "training", "trained", *design.NOISES, "delay", "go", "angles")
    return dict(zip(names, claims(table, judge_all(table, IC), key=jax.random.key(0)), strict=True))


class TestClaims:
    def test_eight_seeds_can_decide_every_claim(self):
        """Holm's strictest level of the family is within what eight signs can reach."""
        assert 2.0**-8 * len(judged(grid(8))) <= 0.05

    def test_planted_effects_are_judged_for_what_they_are(self):
        found = judged(grid(8))
        assert found["performance"].supported is True
        assert found["training"].supported is True
        assert found["training"].effect == pytest.approx(0.8)
        assert found["trained"].supported is True
        assert found["trained"].effect == pytest.approx(0.2)
        for name in design.NOISES:
            assert found[name].supported is True
            assert found[name].effect == pytest.approx(5.0, rel=0.1)  # the ratio at one share of trials, not over all
        assert found["delay"].supported is True
        assert found["go"].effect == pytest.approx(-0.5)
        assert found["go"].supported is False
        assert found["angles"].n == 8
        assert all(0 <= claim.power <= 1 for claim in found.values())

    def test_near_networks_of_all_mechanisms_are_found_and_of_one_are_contradicted(self):
        random = np.random.default_rng(1)
        mixed = judged(grid(8, change=lambda share, i, seed: {"far": 0.2 + 0.001 * i + 0.0001 * random.random()}))
        assert mixed["mechanisms"].supported is True
        assert mixed["mechanisms"].effect > 0.7
        alone = judged(grid(8, change=lambda share, i, seed: {"far": 0.2 if share == 0.5 else 0.9}))
        assert alone["mechanisms"].supported is False
        assert alone["units"].supported is False  # the same third is nearest on both levels

    def test_units_that_tell_nothing_of_the_population(self):
        rows, random = grid(8), np.random.default_rng(2)
        apart = [
            dataclasses.replace(row, value=random.random()) if row.metric == "jpca_ratio_distance" else row
            for row in rows
        ]
        found = judged(apart)["units"]
        assert found.supported is True
        assert found.effect == pytest.approx(2 / 3, abs=0.25)

    def test_the_reverse_of_a_claim_is_contradicted(self):
        found = judged(grid(8, change=lambda share, i, seed: {"noise": 0.1 + 0.03 * i}))
        for name in design.NOISES:
            assert found[name].supported is False
            assert found[name].effect < 1

    def test_what_the_training_does_to_noise_is_not_put_down_to_the_mechanism(self):
        """The share of trials decides the error alone: no slope where it is held."""
        random = np.random.default_rng(3)
        found = judged(grid(8, change=lambda share, i, seed: {"noise": np.exp(-5 * share + 0.01 * random.normal())}))
        assert all(found[name].supported is not True for name in design.NOISES)
        assert all(abs(np.log(found[name].effect)) < 0.3 for name in design.NOISES)

    def test_networks_that_do_not_do_the_task_count_against_performance_and_say_nothing_else(self):
        found = judged(grid(8, change=lambda share, i, seed: {"r2": 0.5} if i == 0 else {}))
        assert found["performance"].supported is False
        none = judged(grid(8, change=lambda share, i, seed: {"r2": 0.5}))
        assert [none[name].n for name in ("units", "mechanisms", "trained", "delay", "go", "angles")] == [0] * 6

    def test_a_network_that_blows_up_in_a_test_counts_as_bad_and_not_as_missing(self):
        def blown(row):
            value = -np.inf if row.metric == "output_r2" else np.inf
            condition = {**row.condition, "outcome": "not finite"}
            is_tested = row.level in ("generalization", "robustness") and row.condition["target_off_share"] == 0.5
            return dataclasses.replace(row, value=value, condition=condition) if is_tested else row

        found = judged([blown(row) for row in grid(8)])
        assert found["delay"].n == 8
        assert found["delay"].effect == pytest.approx(-1.0)

    def test_a_network_that_failed_is_counted_and_stops_nothing(self):
        place = {"target_off_share": 0.0, "rate_penalty": 0.0, "seed": 0}
        rows = [row for row in grid(8) if not place.items() <= row.condition.items()]
        lost = {"set": "train", "outcome": "it failed"} | place
        rows.append(Row("output_nmse", "performance", "tanh", np.nan, condition=lost, direction="lower"))
        found = judge_all(frame(rows), IC).loc[("tanh", 0.0, 0.0, 0)]
        assert found[["units", "population"]].isna().all()
        assert not found["performs"]
        assert judged(rows)["performance"].n == 8

    def test_two_seeds_are_too_few_to_say(self):
        found = judged(grid(2))
        assert {claim.supported for claim in found.values()} == {None}
        assert all(claim.needs and claim.needs >= 8 for claim in found.values() if claim.n)


@pytest.fixture
def tiny(monkeypatch):
    """A preset of networks that hardly train; in the list go changes of their specifications."""
    monkeypatch.setitem(design.PRESETS, "tiny", TINY)
    real, changes = design.specifications, [{}]
    monkeypatch.setattr(references, "describe", lambda *_: CIRCUIT)
    monkeypatch.setattr(
        design,
        "specifications",
        lambda *given: [
            {**entry, "n_units": 20} | change for entry, change in zip(real(*given)[::2], itertools.cycle(changes))
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
    assert len(list((out / "figures").glob("*.svg"))) == 8
    claims = recirc.runs.read_metrics((out / "metrics.json").read_text())[2]
    assert page.count('<details class="claim">') == len(claims)  # sentences, and the papers, are folded away
    assert "<details><summary>BibTeX" in page


def test_names_in_figures_have_no_letters_that_are_drawn_as_codes():
    name = kao2019.report._name(xr.Dataset({"arm": "relu", "target_off_share": 0.25}))
    assert name == "ReLU, off 25 %"
    assert name.isprintable()


def test_a_network_that_diverged_is_a_row_that_says_so():
    entry = specification(seed=3)
    result = Result({}, {"outcome": "Bptt diverged in pass 0", "scores": [], "history": []})
    (row,) = network_rows(entry, result, PLACE)
    assert np.isnan(row.value)
    assert "diverged" in row.condition["outcome"]
    assert row.condition["rate_penalty"] == entry["rate_penalty"]
    assert dataclasses.asdict(row)["arm"] == entry["arm"]
