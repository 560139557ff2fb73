"""The study of Salatiello & Giese 2020: its circuit, its arms, its verdicts."""

import dataclasses
import functools
import json
import tomllib

import jax
import numpy as np
import pytest
import xarray as xr

import recirc
from recirc.analyses import Failure, Result, Row, by_seed, frame, summary_rows, with_twin
from recirc.analyses.pieces import Done, piece_key
from recirc.analyses.summaries import network_rows
from recirc.data.netcdf import netcdf_bytes
from recirc.runs.experiment import run
from recirc.runs.metrics import metrics_text
from recirc.studies import salatiello2020
from recirc.studies.salatiello2020.arms import REFERENCE_FRACTION
from recirc.studies.salatiello2020.claims import claims
from recirc.studies.salatiello2020.report import predicted

SMALL = {"n_units": 40, "circuit_units": 50}


@pytest.fixture(scope="module")
def cortex():
    return recirc.circuits.stability_optimized(key=jax.random.key(0), n_units=50)


def test_conditions_by_initial_state_and_by_gains_both_move_the_muscles(cortex, key):
    task = recirc.tasks.CenterOutReach(angles=(0.0, 90.0, 180.0), dt=0.005)
    for conditions in ("initial_state", "gains"):
        trials, target = salatiello2020.ground_truth(cortex, task, key=key, conditions=conditions)
        assert trials.targets.shape == (3, 110, 2)
        assert np.allclose(trials.targets, target.outputs)
        spread = np.asarray(target.rates)[:, 30:].std(axis=0).max()
        assert spread > 0.1, "conditions differ"
    with pytest.raises(ValueError, match="initial_state"):
        salatiello2020.ground_truth(cortex, task, key=key, conditions="speed")


def test_muscles_do_not_depend_on_which_directions_are_simulated(cortex, key):
    task = recirc.tasks.CenterOutReach(dt=0.005)
    cortex = salatiello2020.with_muscles(cortex, task, key=key)
    some = task.replace(angles=(45.0, 90.0))
    whole, part = (salatiello2020.ground_truth(cortex, each, key=key)[0] for each in (task, some))
    assert np.allclose(whole.targets[1:3], part.targets, atol=1e-9)


def test_tails_end_at_rest(cortex, key):
    task = recirc.tasks.CenterOutReach(dt=0.005)
    trials, target = salatiello2020.tailed(*salatiello2020.ground_truth(cortex, task, key=key))
    assert np.abs(trials.targets[:, -1]).max() == np.abs(target.rates[:, -1]).max() == 0


def test_every_network_of_a_preset_is_specified_once():
    for preset in salatiello2020.PRESETS.values():
        entries = salatiello2020.specifications(preset, 0)
        assert len({recirc.analyses.pieces.piece_key(entry) for entry in entries}) == len(entries)
        pairs = {(entry["arm"], entry["regime"]) for entry in entries}
        assert len(pairs) == 8, "four arms in two regimes"


def _specification(arm: str, **changes) -> dict:
    preset = salatiello2020.Preset(1, (0.1,))
    entries = salatiello2020.specifications(preset, 0)
    entry = next(e for e in entries if e["arm"] == arm and e["regime"] == "tuned")
    return entry | SMALL | {"settings": entry["settings"] | {"n_passes": 2}} | changes


@functools.cache
def _network(arm: str, **changes) -> Result:
    return salatiello2020.train_network(_specification(arm, **changes))


ARMS = ("hints", "no_hints", "force", "untrained")


@pytest.mark.parametrize("name", ["start", "input_weights"])
def test_arms_of_a_seed_share_what_is_random_and_other_seeds_do_not(name):
    direction = lambda arrays: arrays[name] / np.linalg.norm(arrays[name])  # noqa: E731  (arms differ in scale)
    first, *others = (direction(_network(arm).arrays) for arm in ARMS)
    assert all(np.allclose(other, first, atol=1e-12) for other in others)
    assert not np.allclose(direction(_network("untrained", seed=1).arrays), first, atol=0.1)
    trained = [_network(arm).arrays["recurrent"] for arm in ARMS]
    assert not any(np.allclose(one, two) for one in trained for two in trained if one is not two)


def test_arms_of_a_seed_share_the_sample_of_recorded_units():
    """What is new to the hint arm must be new to the arms that it is compared with."""
    hinted = _network("hints", fraction=REFERENCE_FRACTION).arrays["recorded"]
    assert 0 < hinted.sum() < len(hinted)
    assert all(np.array_equal(_network(arm).arrays["recorded"], hinted) for arm in ARMS[1:])
    assert not np.array_equal(_network("untrained", seed=1).arrays["recorded"], hinted)


def test_a_network_is_the_same_bits_twice():
    first, second = _network("hints"), salatiello2020.train_network(_specification("hints"))
    assert all(np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays)
    assert first.metadata == second.metadata


def test_every_similarity_has_a_certified_null_and_the_hint_arm_a_teacher():
    scores = _network("hints").metadata["rows"]
    similarities = [s for s in scores if s["metric"].startswith(("svcca", "linear", "procrustes"))]
    assert len(similarities) == 8  # four on trained directions, four on new ones
    for score in similarities:
        assert score["null"]["kind"] == "rotated_conditions"
        assert score["null"]["certified"]
        assert 0 < score["null"]["half_p"] <= 1
        assert score["ceiling"] is None
        assert (score["teacher"] is not None) == (score["condition"]["set"] == "train")


def test_left_out_directions_are_scored_apart():
    scores = _network("no_hints", left_out=2).metadata["rows"]
    assert [s["condition"]["set"] for s in scores] == ["left_out_2"]


def test_predictions_are_of_their_own_units_and_know_nothing_of_new_directions():
    """A network that holds every unit of the circuit, in another order, predicts each one, and no other."""
    random = np.random.default_rng(0)
    circuit = np.cumsum(random.normal(size=(16, 55, 12)), axis=1)
    order = random.permutation(12)

    def predict(target: np.ndarray) -> np.ndarray:
        axes = ("condition", "time", "unit")
        data = {"target_rates": (axes, target), "rates": (("condition", "time", "network_unit"), circuit[..., order])}
        places = {"condition": [str(i) for i in range(16)], "time": 0.01 * np.arange(55)}
        sets = ("condition", ["train"] * 8 + ["heldout_direction"] * 8)
        return predicted(xr.Dataset(data, coords=places | {"set": sets})).values

    made = predict(circuit)[8:].reshape(-1, 12)
    truth = circuit[8:].reshape(-1, 12)
    error = ((made[:, :, None] - truth[:, None, :]) ** 2).mean(axis=0) / truth.var(axis=0)
    assert np.diag(error).max() < 0.05
    assert error[~np.eye(12, dtype=bool)].min() > 0.2, "units are told apart"
    changed = np.concatenate([circuit[:8], circuit[8:] + 5])
    assert np.array_equal(predict(changed), predict(circuit))


def test_a_diverged_network_is_a_row_that_says_so():
    entry = _specification("hints")
    rows = [
        row
        for result in (Result({}, {"outcome": "diverged in pass 3", "history": []}), Failure("its process was killed"))
        for row in network_rows(entry, result, tuple(salatiello2020.PLACE))
    ]
    assert [row.condition["outcome"] for row in rows] == ["diverged in pass 3", "its process was killed"]
    assert all(np.isnan(row.value) for row in rows)


def test_a_study_whose_networks_all_fail_ends_in_rows_that_say_so():
    entries = [_specification(arm) for arm in ("hints", "no_hints")]
    lose = lambda function, pieces: [Done(piece_key(piece), Failure("killed")) for piece in pieces]  # noqa: E731
    result = salatiello2020.analyse(salatiello2020.Preset(1, (0.1,)), entries, lose)
    assert [row.condition["outcome"] for row in result.rows if "seed" in row.condition] == ["killed"] * 2
    assert [claim.supported for claim in result.claims] == [None] * 8
    for name in ("outputs", "components", "units", "eigenvalues", "ablations", "left_out"):
        with pytest.raises(recirc.figures.NothingToDraw):
            recirc.figures.draw(result, name)
    assert "no number" in result.sentences["verdict"]
    assert all(netcdf_bytes(dataset) for dataset in (result.arrays, result.networks))


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="quick, full"):
        salatiello2020.experiment(preset="quik", seed=0)


def _rows(advantage: float, n_seeds: int) -> list[Row]:
    """Rows in which hints multiply held-out error and add to similarity by a planted amount."""
    rows = [Row("svcca5_concatenated", "population", "hints", 9.0, condition={"set": "heldout_direction"})]  # a summary
    for regime in salatiello2020.REGIMES:
        for seed in range(n_seeds):
            place = {"set": "heldout_direction", "regime": regime, "seed": seed}
            jitter = 0.01 * np.cos(3 * seed)
            for arm, fraction, gain in (("hints", 0.05, advantage), ("hints", 1.0, advantage), ("no_hints", None, 0)):
                extra = place | ({"fraction": fraction} if fraction else {})
                svcca, twin = 0.5 + 0.1 * gain + jitter * (1 + (fraction or 0)), {"untrained": 0.5 + jitter}
                error = 0.1 * 3.0**-gain * (1 + jitter)
                rows += [
                    Row("svcca5_concatenated", "population", arm, svcca, condition=extra, baselines=twin),
                    Row("output_nmse", "generalization", arm, error, direction="lower", condition=extra),
                ]
    return rows


def test_planted_effects_are_judged_for_what_they_are(key):
    preset = salatiello2020.PRESETS["full"]
    judge = lambda advantage: [c.supported for c in claims(frame(_rows(advantage, 12)), preset, key=key)]  # noqa: E731
    assert judge(1.0) == [True] * 8
    assert judge(-1.0) == [False, False, True, False] * 2
    assert judge(0.0) == [False, False, True, False] * 2
    trained, *_, held_out = claims(frame(_rows(1.0, 12)), preset, key=key)[:4]
    assert held_out.effect == pytest.approx(3.0)
    assert trained.effect == pytest.approx(0.1, abs=0.01)


def test_too_few_networks_are_too_small_to_say(key):
    judged = claims(frame(_rows(1.0, 2)), salatiello2020.PRESETS["full"], key=key)
    assert [claim.supported for claim in judged] == [None] * 8
    assert all(claim.needs and claim.needs >= 7 for claim in judged)


def test_a_sample_is_only_judged_beside_the_whole_circuit(key):
    rows = [row for row in _rows(1.0, 12) if row.condition.get("fraction") != 1.0]
    found = claims(frame(rows), dataclasses.replace(salatiello2020.PRESETS["full"], fractions=(0.05,)), key=key)
    assert [claim.supported for claim in found] == [True, True, None, True] * 2


def test_every_network_stands_beside_its_own_twin():
    """The twin has its inputs, bias and gain; arms of other gains have other twins, and nulls change nothing."""
    rows = {arm: _network(arm).metadata["rows"] for arm in ARMS}
    similar = {arm: [row for row in found if row["metric"] == "svcca5_concatenated"] for arm, found in rows.items()}
    own = {row["condition"]["set"]: row["value"] for row in similar["untrained"]}
    assert not any(row["baselines"] for row in rows["untrained"])
    twins = {
        arm: {(row["condition"]["set"], row["baselines"]["untrained"]) for row in found}
        for arm, found in similar.items() if arm != "untrained"
    }  # fmt: skip
    assert all(len(found) == 2 for found in twins.values()), "one on trained directions under every null, one on new"
    assert dict(twins["hints"]) == pytest.approx(own, rel=1e-6)
    assert dict(twins["no_hints"]) != pytest.approx(own, rel=1e-2)
    abscissa = [row for row in rows["hints"] + rows["untrained"] if row["metric"] == "spectral_abscissa"]
    assert abscissa[0]["baselines"]["untrained"] == abscissa[1]["value"]


def test_summaries_keep_null_baseline_and_interval(key):
    null = {"kind": "shuffled_conditions", "mean": 0.3, "p95": 0.4, "p": 0.01}
    rows = [
        row
        for seed in range(5)
        for place in [{"condition": {"set": "train", "regime": "tuned", "seed": seed}}]
        for row in with_twin(
            [Row("m", "unit", "hints", 1.0 + seed, null=null, **place)],
            [Row("m", "unit", "hints", float(seed), **place)],
        )
    ]
    summary = summary_rows(rows, key=key)[0]
    assert (summary.value, summary.n, summary.baselines["untrained"]) == (3.0, 5, 2.0)
    assert summary.null is not None
    assert summary.null["p95"] == 0.4
    assert summary.ci[0] < 3.0 < summary.ci[1]


FILES = {"DONE", "manifest.json", "config.toml", "metrics.json", "activity.nc", "networks.nc", "history.jsonl"}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The folder of a small study with an ablation and left-out directions, its result, and its specifications."""
    preset = salatiello2020.Preset(1, (0.05,), hint_gains=(1.0,), left_out=(2,))
    everything = salatiello2020.specifications(preset, 0)
    entries = [
        entry | SMALL | {"settings": entry["settings"] | {"n_passes": 2}}
        for entry in everything
        if entry["regime"] == "tuned"
        and entry["arm"] != "force"
        and (entry["arm"], entry["left_out"]) != ("no_hints", 2)
    ]
    out = tmp_path_factory.mktemp("study") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(salatiello2020.PRESETS, "tiny", preset)
        patch.setattr(salatiello2020, "specifications", lambda preset, seed: entries)
        study = salatiello2020.experiment(preset="tiny", seed=0)
        result = run(study, out, jobs=1)
        return out, result, entries, study.words(result)


def test_a_small_study_leaves_a_whole_folder(small):
    out, result, _, words = small
    assert FILES | {"figures", "report.html", "report.json"} == {path.name for path in out.iterdir()}
    assert recirc.runs.verify(out) == []
    assert (out / "metrics.json").read_text() == metrics_text("salatiello2020", "tiny", result.rows, result.claims)
    config = tomllib.loads((out / "config.toml").read_text())
    assert (config["preset"], config["circuit_units"], config["preset_sizes"]["left_out"]) == ("tiny", 50, [2])
    page = (out / "report.html").read_text()
    assert "undecided" in page.lower()
    assert "<script" not in page
    drawn = {path.stem for path in (out / "figures").iterdir()}
    assert drawn == set(words.pictures) == set(result.figures) == set(salatiello2020.DRAWINGS), "all of it is shown"


def test_files_hold_every_network_in_its_place(small):
    """What is filed under a network's labels is what training it anew gives."""
    out, _, entries, _ = small
    activity, weights = (recirc.data.read_dataset(out / name) for name in ("activity.nc", "networks.nc"))
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    for place, entry in enumerate(entries):
        n_passes = sum(line["arm"] == entry["arm"] and line["left_out"] == entry["left_out"] for line in history)
        assert n_passes >= (0 if entry["arm"] == "untrained" else 2)
        for dataset in (activity, weights):
            assert dataset["arm"].values[place] == entry["arm"]
            assert dataset["left_out"].values[place] == (entry["left_out"] or 0)
            assert dataset["hint_gain"].values[place] == (entry["hint_gain"] or -1)
    for place in (0, len(entries) - 1):
        made = salatiello2020.train_network(entries[place]).arrays
        for dataset, names in ((activity, ("rates", "outputs", "recorded")), (weights, ("recurrent", "readout"))):
            assert all(np.allclose(dataset[name].values[place], made[name]) for name in names)


def test_rows_of_a_small_study_are_those_of_its_networks(small):
    _, result, entries, _ = small
    for entry in entries:
        place = {name: entry[name] for name in ("fraction", "hint_gain", "left_out")}
        found = by_seed(result.table, "spectral_abscissa", entry["arm"], **place)
        assert found.index.tolist() == ([] if entry["left_out"] else [0])
    hinted = {"fraction": 0.05, "hint_gain": None, "left_out": None}
    errors = by_seed(result.table, "output_nmse", "hints", set="train", **hinted)
    (row,) = salatiello2020.train_network(entries[0]).metadata["rows"][:1]
    assert errors[0] == pytest.approx(row["value"], rel=1e-9)
