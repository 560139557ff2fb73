"""The study of Salatiello & Giese 2020: its circuit, its arms, its verdicts."""

import dataclasses
import functools
import itertools
import json
import tomllib

import jax
import numpy as np
import pytest
import xarray as xr

import recirc
from recirc.analyses import Failure, Result, Row, by_seed, frame, select, summary_rows, with_twin
from recirc.analyses.pieces import Done, piece_key
from recirc.analyses.summaries import network_rows
from recirc.data.netcdf import write_dataset
from recirc.runs.experiment import run
from recirc.runs.metrics import metrics_text
from recirc.studies import salatiello2020
from recirc.studies.salatiello2020.arms import REFERENCE_FRACTION
from recirc.studies.salatiello2020.circuit import kicked_reference, reference
from recirc.studies.salatiello2020.claims import SPREADS, claims, powers, stated
from recirc.studies.salatiello2020.readings import outcomes, partial_r2
from recirc.studies.salatiello2020.report import predicted

SMALL = {"n_units": 60, "circuit": {"study_seed": 0, "index": 0, "n_units": 50}}


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


def test_every_network_of_a_preset_is_specified_once_and_after_its_circuit():
    for preset in salatiello2020.PRESETS.values():
        entries = salatiello2020.specifications(preset, 0)
        assert len({piece_key(entry) for entry in entries}) == len(entries)
        alone = [entry["seed"] for entry in entries if entry["arm"] == "circuit"]
        assert sorted(alone) == list(range(max(preset.n_seeds, preset.n_readings))), "a circuit for every seed"
        last = max(place for place, entry in enumerate(entries) if entry["arm"] == "circuit")
        assert last == len(alone), "all circuits but that of the first network are made before they are needed"
        judged = [entry for entry in entries if entry["fraction"] in (REFERENCE_FRACTION, 1.0, None)]
        plain = [e for e in judged if all(e[name] is None for name in salatiello2020.PLACE if name != "fraction")]
        counts = {arm: sum(entry["arm"] == arm for entry in plain) for arm in ("hints", "no_hints", "untrained")}
        assert counts == {"hints": 2 * preset.n_seeds, "no_hints": preset.n_seeds, "untrained": 1}


def test_kicks_change_no_other_specification():
    """Nothing but the key is added, so that networks made before stay valid."""
    for preset in salatiello2020.PRESETS.values():
        entries, before = (
            salatiello2020.specifications(dataclasses.replace(preset, n_kicked=n), 0) for n in (preset.n_kicked, 0)
        )
        assert [{name: entry[name] for name in entry if name != "kicks"} for entry in entries] == before
        kicked = [(entry["arm"], entry["fraction"]) for entry in entries if "kicks" in entry]
        assert len(kicked) == 3 * preset.n_kicked
        assert set(kicked) == {("hints", REFERENCE_FRACTION), ("hints", 1.0), ("no_hints", None)}
        assert not any("kicks" in entry for entry in before)


def test_circuits_of_a_study_differ_and_those_of_another_are_others():
    rates = [np.asarray(reference(*which, 50)[0][1].rates) for which in ((0, 0), (0, 1), (1, 0))]
    assert not any(np.allclose(one, two) for one in rates for two in rates if one is not two)


def test_readings_are_spread_evenly_over_what_may_be_meant():
    sampled = salatiello2020.sampled_readings(64, 0)
    assert sampled == salatiello2020.sampled_readings(64, 0)
    assert sampled != salatiello2020.sampled_readings(64, 1)
    gains = np.sort([reading["embedder_gain"] for reading in sampled])
    assert np.abs(gains - (1.2 + 0.6 * (np.arange(64) + 0.5) / 64)).max() <= 0.6 / 128, "one in each of 64 slices"
    assert sum(reading["pulse"] for reading in sampled) == sum(reading["tail"] for reading in sampled) == 32
    intervals = [reading["update_interval"] for reading in sampled]
    assert (min(intervals), max(intervals)) == (0.001, 0.01)


@pytest.mark.parametrize("change", [{"conditions": "gains"}, {"pulse": False}, {"tail": False}])
def test_a_reading_is_trained_as_it_says_and_gives_errors(change):
    entry = _specification("hints", reading="sampled")
    result = salatiello2020.train_network(entry | {"circuit": entry["circuit"] | change})
    assert [row["condition"]["set"] for row in result.metadata["rows"]] == ["train", "train", "heldout_direction"]
    assert not result.arrays
    plain = salatiello2020.train_network(entry)
    assert plain.metadata["rows"] != result.metadata["rows"]


def test_readings_are_counted_where_both_arms_do_the_task():
    errors = {
        0: (0.01, 0.1, 0.01, 0.3),
        1: (0.06, 0.1, 0.01, 0.3),
        2: (0.01, 0.2, 0.05, 0.1),
        3: (0.01, 0.1, np.nan, 1),
    }
    rows = []
    for seed, values in errors.items():
        for i, value in enumerate(values):
            where = {"set": ("train", "heldout_direction")[i % 2], "seed": seed, "reading": "sampled"}
            where |= {} if np.isfinite(value) else {"outcome": "diverged"}
            rows.append(Row("output_nmse", "performance", ("hints", "no_hints")[i // 2], value, condition=where))
    found = outcomes(frame(rows))
    assert np.exp(found["effect"].to_numpy(float)) == pytest.approx([3, 3, 0.5, 10])
    assert found["trains"].tolist() == [True, False, True, False]


@pytest.mark.parametrize("n", [5, 64])
def test_readings_are_drawn_sorted_with_those_that_do_not_count(n):
    rows = []
    for seed, i in itertools.product(range(n), range(4)):
        where = {"set": ("train", "heldout_direction")[i % 2], "seed": seed, "reading": "sampled"}
        error = 0.04 + 0.02 * (seed % 5 == 4) if i % 2 == 0 else 0.1 + 0.01 * seed * (i // 2)
        rows.append(Row("output_nmse", "performance", ("hints", "no_hints")[i // 2], error, condition=where))
    about = {"readings": salatiello2020.sampled_readings(n, 0)}
    result = recirc.analyses.AnalysisResult(salatiello2020.NAME, tuple(rows), about=about)
    top, *lines = recirc.figures.draw(result, "readings").axes
    assert len(lines) == len(about["readings"][0])
    heights = top.collections[0].get_offsets()[:, 1]
    n_kept = n - n // 5
    assert np.all(np.diff(heights[:n_kept]) >= 0)
    assert np.all(np.diff(heights[n_kept:]) >= 0)


def test_partial_r2_finds_the_choice_that_decides():
    random = np.random.default_rng(0)
    choices = [
        {"gain": random.uniform(), "penalty": 10 ** random.uniform(0, 2), "kind": "abc"[i % 3], "tail": bool(i % 2)}
        for i in range(60)
    ]
    noise = 0.3 * random.normal(size=60)
    effect = np.array([np.log(c["penalty"]) + 2 * (c["kind"] == "b") for c in choices]) + noise
    shares = partial_r2(effect, choices)
    assert min(shares["penalty"], shares["kind"]) > 0.8
    assert max(shares["gain"], shares["tail"]) < 0.15
    assert all(np.isnan(share) for share in partial_r2(effect[:5], choices[:5]).values())


def _specification(arm: str, **changes) -> dict:
    entries = salatiello2020.specifications(salatiello2020.Preset(1, 1, (0.1, 0.05)), 0)
    entry = next(e for e in reversed(entries) if e["arm"] == arm and e["fraction"] in (0.1, None))
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
    assert not np.allclose(direction(_network("no_hints", seed=1).arrays), first, atol=0.1)
    trained = [_network(arm).arrays["recurrent"] for arm in ARMS]
    assert not any(np.allclose(one, two) for one in trained for two in trained if one is not two)


def test_arms_of_a_seed_share_the_sample_of_recorded_units():
    """What is new to the hint arm must be new to the arms that it is compared with."""
    hinted = _network("hints", fraction=REFERENCE_FRACTION).arrays["recorded"]
    assert 0 < hinted.sum() < len(hinted)
    assert all(np.array_equal(_network(arm).arrays["recorded"], hinted) for arm in ARMS[1:])
    other = _specification("untrained", circuit=SMALL["circuit"] | {"index": 1})
    assert not np.array_equal(salatiello2020.train_network(other).arrays["recorded"], hinted)


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
        assert score["ceiling"] is None
        assert (score["teacher"] is not None) == (score["condition"]["set"] == "train")


@pytest.mark.parametrize("arm", ["bptt", "bptt_hints"])
def test_networks_trained_by_backpropagation_are_measured_as_the_others_are(arm):
    entries = salatiello2020.specifications(salatiello2020.Preset(1, 1, (0.05,), n_bptt=1), 0)
    entry = next(each for each in entries if each["arm"] == arm)
    made = salatiello2020.train_network(entry | SMALL | {"settings": entry["settings"] | {"n_updates": 20}})
    other = _network("hints", fraction=REFERENCE_FRACTION)
    named = lambda result: {(r["metric"], r["condition"]["set"]) for r in result.metadata["rows"]}  # noqa: E731
    assert named(made) == named(other)
    assert made.arrays["rates"].shape == other.arrays["rates"].shape
    assert all(np.isfinite(r["value"]) for r in made.metadata["rows"])


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


def test_a_study_whose_networks_all_fail_ends_in_rows_that_say_so(tmp_path):
    entries = [_specification(arm) for arm in ("hints", "no_hints")]
    lose = lambda function, pieces: [Done(piece_key(piece), Failure("killed")) for piece in pieces]  # noqa: E731
    result = salatiello2020.analyse(salatiello2020.Preset(1, 1, (0.1,)), entries, lose)
    assert [row.condition["outcome"] for row in result.rows if "seed" in row.condition] == ["killed"] * 2
    assert [claim.supported for claim in result.claims] == [None] * 4
    for name in ("outputs", "components", "units", "eigenvalues", "ablations", "left_out", "readings"):
        with pytest.raises(recirc.figures.NothingToDraw):
            recirc.figures.draw(result, name)
    assert "no number" in result.sentences["verdict"]
    for dataset in (result.arrays, result.networks):
        write_dataset(dataset, tmp_path / "empty.nc")


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="quick, full"):
        salatiello2020.experiment(preset="quik", seed=0)


def _rows(advantage: float, n_seeds: int) -> list[Row]:
    """Rows in which hints multiply held-out error and add to similarity by a planted amount."""
    rows = [Row("svcca5_concatenated", "population", "hints", 9.0, condition={"set": "heldout_direction"})]  # a summary
    for seed in range(n_seeds):
        place = {"set": "heldout_direction", "seed": seed}
        jitter = 0.01 * np.cos(3 * seed)
        for arm, fraction, gain in (("hints", 0.05, advantage), ("hints", 1.0, advantage), ("no_hints", None, 0)):
            extra = place | ({"fraction": fraction} if fraction else {})
            svcca, twin = 0.5 + 0.2 * gain + jitter * (1 + (fraction or 0)), {"untrained": 0.5 + jitter}
            error = 0.1 * 3.0**-gain * (1 + jitter)
            rows += [
                Row("svcca5_concatenated", "population", arm, svcca, condition=extra, baselines=twin),
                Row("output_nmse", "generalization", arm, error, direction="lower", condition=extra),
            ]
    return rows


QUICK = salatiello2020.PRESETS["quick"]


def test_planted_effects_are_judged_for_what_they_are(key):
    judge = lambda advantage: [c.supported for c in claims(frame(_rows(advantage, 12)), QUICK, key=key)]  # noqa: E731
    assert judge(1.0) == [True] * 4
    assert judge(-1.0) == [False, False, True, False]
    assert judge(0.0) == [False, False, True, False]
    trained, *_, held_out = claims(frame(_rows(1.0, 12)), QUICK, key=key)
    assert held_out.effect == pytest.approx(3.0)
    assert trained.effect == pytest.approx(0.2, abs=0.01)


def test_too_few_networks_are_too_small_to_say(key):
    judged = claims(frame(_rows(1.0, 2)), QUICK, key=key)
    assert [claim.supported for claim in judged] == [None] * 4
    assert all(claim.needs and claim.needs >= 7 for claim in judged)


def test_a_sample_is_only_judged_beside_the_whole_circuit(key):
    rows = [row for row in _rows(1.0, 12) if row.condition.get("fraction") != 1.0]
    assert [claim.supported for claim in claims(frame(rows), QUICK, key=key)] == [True, True, None, True]


@pytest.mark.parametrize("name", salatiello2020.PRESETS)
def test_every_claim_has_power_for_the_smallest_effect_that_matters(name):
    assert min(powers(salatiello2020.PRESETS[name]).values()) >= 0.8


def test_claims_with_nothing_to_them_are_rarely_supported_and_the_smallest_effects_are_found(key):
    """Normal values of the spreads seen, 200 studies; 5 % of families may be falsely supported, and chance."""
    random = np.random.default_rng(0)
    bounds = stated({name: np.zeros(0) for name in SPREADS})
    shares = {}
    for aim in ("none", "aim"):
        verdicts = []
        for _ in range(200):
            values = {
                name: getattr(effect, aim) + spread * random.normal(size=QUICK.n_seeds)
                for effect, (name, spread) in zip(bounds, SPREADS.items())
            }
            verdicts.append([c.supported is True for c in recirc.analyses.judged(stated(values), "here", key=key)])
        shares[aim] = np.array(verdicts)
    assert shares["none"].any(axis=1).mean() <= 0.1
    assert shares["aim"].mean(axis=0).min() >= 0.75


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
        for place in [{"condition": {"set": "train", "seed": seed}}]
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
    """The folder of a small study with an ablation, left-out directions and readings, its result, and its networks."""
    preset = salatiello2020.Preset(1, 1, (0.05,), hint_gains=(1.0,), left_out=(2,), n_readings=2, n_kicked=1)
    everything = salatiello2020.specifications(preset, 0)
    shorter = lambda entry: {"settings": entry["settings"] and entry["settings"] | {"n_passes": 2}}  # noqa: E731
    circuit = lambda entry: {"circuit": entry["circuit"] | {"n_units": 50}}  # noqa: E731
    entries = [
        entry | shorter(entry) | circuit(entry) | {"n_units": 60}
        for entry in everything
        if entry["arm"] != "force" and (entry["arm"], entry["left_out"]) != ("no_hints", 2)
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
    drawn, narrow = (
        {path.stem for path in folder.glob("*.svg")} for folder in (out / "figures", out / "figures/one_column")
    )
    assert drawn == narrow
    assert set(words.pictures) == set(result.figures) == set(salatiello2020.DRAWINGS), "all of it is shown"
    assert drawn == set(words.pictures) - {"readings"}, "after two passes no reading does the task"


def test_files_hold_networks_in_their_places_and_no_more(small):
    """What is filed under a network's labels is what training it anew gives; what is varied leaves only rows."""
    out, _, entries, _ = small
    activity, weights = (recirc.data.read_dataset(out / name) for name in ("activity.nc", "networks.nc"))
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    blank = [name for name in salatiello2020.PLACE if name != "fraction"]
    plain = [e for e in entries if e["arm"] != "circuit" and all(e[name] is None for name in blank)]
    for dataset in (activity, weights):
        assert dataset["arm"].values.tolist() == [entry["arm"] for entry in plain]
        assert dataset["fraction"].values.tolist() == [entry["fraction"] or -1 for entry in plain]
    assert {line["reading"] for line in history} == {None, "sampled"}
    for place, entry in enumerate(plain):
        made = salatiello2020.train_network(entry).arrays
        for dataset, names in ((activity, ("rates", "outputs", "recorded")), (weights, ("recurrent", "readout"))):
            assert all(np.allclose(dataset[name].values[place], made[name]) for name in names)


def test_kicked_networks_stand_beside_their_twins_and_the_controls(small):
    """The circuit behind a random map is right; each network is kicked as `KickedStates` does it."""
    table = select(small[1].table, "kicked_states_r2").dropna(subset="seed")
    assert list(zip(table["arm"], table["fraction"])) == [("hints", 0.05), ("hints", 1.0), ("no_hints", None)]
    assert (table["baseline_random_map"] >= 0.95).all()
    assert np.ptp(table["baseline_linear_all"]) == 0
    whole = table[table["fraction"] == 1.0].iloc[0]
    assert whole["baseline_linear_recorded"] == pytest.approx(whole["baseline_linear_all"], abs=1e-3)
    assert table["value"].notna().any()
    for entry, (_, row) in zip([entry for entry in small[2] if "kicks" in entry], table.iterrows()):
        assert np.isfinite(row["value"]) or row["outcome"].startswith("no component")
        assert _kicked_again(entry) == pytest.approx(row["value"], abs=1e-3, nan_ok=True)


def _kicked_again(entry: dict) -> float:
    """What a kicked network of the study scores, from its weights."""
    weights = salatiello2020.train_network(entry).arrays
    fields = ("recurrent", "input_weights", "readout", "bias", "start")
    network = recirc.circuits.RateNetwork(**{name: jax.numpy.asarray(weights[name], float) for name in fields})
    (trials, target), (new_trials, _) = reference(**entry["circuit"])
    rates = recirc.simulate(network, trials, key=jax.random.key(0))
    fitted = recirc.compare.NeuronMap.fit(*(recirc.compare.window(a, 0, 0.44) for a in (rates, target)), every=10)
    probe = recirc.compare.KickedStates(*kicked_reference(**entry["circuit"]), fitted)
    return probe(network, new_trials, key=jax.random.key(0)).value


def test_halves_of_the_circuit_stand_beside_every_null(small):
    table = small[1].table
    single = table[table["null_kind"].notna() & table["seed"].notna()]
    assert len(single) == 8 * 4, "four similarities on two sets of directions, of four networks"
    assert single["null_half_p"].between(0, 1).all()


def test_rows_of_a_small_study_are_those_of_its_networks(small):
    _, result, entries, _ = small
    for entry in entries:
        place = {name: entry[name] for name in ("fraction", "hint_gain", "left_out")}
        found = by_seed(result.table, "spectral_abscissa", entry["arm"], reading=entry["reading"], **place)
        assert found.index.tolist() == (
            [] if entry["left_out"] or entry["reading"] or entry["arm"] == "circuit" else [0]
        )
    hinted = {"fraction": 0.05, "hint_gain": None, "left_out": None, "reading": None}
    errors = by_seed(result.table, "output_nmse", "hints", set="train", **hinted)
    (row,) = salatiello2020.train_network(entries[0]).metadata["rows"][:1]
    assert errors[0] == pytest.approx(row["value"], rel=1e-9)
