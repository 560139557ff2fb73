"""The study of Salatiello & Giese 2020: its circuit, its arms, its verdicts."""

import dataclasses

import jax
import numpy as np
import pytest

import recirc
from recirc.analyses import Failure, Result
from recirc.runs import Row
from recirc.studies import networks, salatiello2020, salatiello2020_run, summaries
from recirc.studies.salatiello2020_verdict import claims

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


def test_arms_of_a_seed_share_what_is_random():
    hinted, plain = (networks.train_network(_specification(arm)) for arm in ("hints", "untrained"))
    scale = _specification("hints")["settings"]["input_scale"]
    other = _specification("untrained")["settings"]["input_scale"]
    assert np.allclose(hinted.arrays["input_weights"] / scale, plain.arrays["input_weights"] / other)
    assert np.array_equal(hinted.arrays["recorded"], networks_sample(0.1))


def networks_sample(fraction: float) -> np.ndarray:
    return networks.train_network(_specification("hints", fraction=fraction)).arrays["recorded"]


def test_a_network_is_the_same_bits_twice():
    first, second = (networks.train_network(_specification("hints")) for _ in range(2))
    assert all(np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays)
    assert first.metadata == second.metadata


def test_every_similarity_has_nulls_and_the_hint_arm_a_ceiling():
    scores = networks.train_network(_specification("hints")).metadata["scores"]
    similarities = [s for s in scores if s["metric"].startswith(("svcca", "linear", "procrustes"))]
    on_trained = [s for s in similarities if s["condition"]["set"] == "train"]
    assert on_trained
    assert all(s["null"] is not None and s["ceiling"] is not None for s in on_trained)
    kinds = {s["null"]["kind"] for s in on_trained if s["metric"] == "svcca5_concatenated"}
    assert kinds == {"shuffled_conditions", "flipped_components", "phase_randomized"}


def test_left_out_directions_are_scored_apart():
    scores = networks.train_network(_specification("no_hints", left_out=2)).metadata["scores"]
    assert [s["condition"]["set"] for s in scores] == ["left_out_2"]


def test_a_diverged_network_is_a_row_that_says_so():
    entry = _specification("hints")
    rows = summaries.network_rows(entry, Result({}, {"outcome": "diverged in pass 3", "scores": [], "history": []}))
    rows += summaries.network_rows(entry, Failure("its process was killed", "log"))
    assert [row.condition["outcome"] for row in rows] == ["diverged in pass 3", "its process was killed"]
    assert all(np.isnan(row.value) for row in rows)


def _rows(advantage: float, n_seeds: int) -> list[Row]:
    """Rows in which hints multiply held-out error and add to similarity by a planted amount."""
    rows = []
    for regime in salatiello2020.REGIMES:
        for seed in range(n_seeds):
            place = {"regime": regime, "seed": seed}
            jitter = 0.01 * np.cos(3 * seed)
            for arm, fraction, gain in (("hints", 0.05, advantage), ("hints", 1.0, advantage), ("no_hints", None, 0)):
                extra = place | ({"fraction": fraction} if fraction else {})
                svcca = 0.5 + 0.1 * gain + jitter * (1 + (fraction or 0))
                error = 0.1 * 3.0**-gain * (1 + jitter)
                rows += [
                    Row("svcca5_concatenated", "population", arm, svcca, condition={"set": "train"} | extra),
                    Row(
                        "output_nmse", "generalization", arm, error, direction="lower",
                        condition={"set": "heldout_direction"} | extra,
                    ),
                ]  # fmt: skip
    return rows


def test_planted_effects_are_judged_for_what_they_are(key):
    preset = dataclasses.replace(salatiello2020.PRESETS["full"], n_seeds=10)
    judge = lambda advantage: [c.supported for c in claims(_rows(advantage, 10), preset, key=key)]  # noqa: E731
    assert judge(1.0) == [True] * 6
    assert judge(-1.0) == [False, True, False] * 2
    held_out = claims(_rows(1.0, 10), preset, key=key)[2]
    assert held_out.effect == pytest.approx(3.0)


def test_too_few_networks_are_too_small_to_say(key):
    preset = dataclasses.replace(salatiello2020.PRESETS["quick"], n_seeds=2)
    judged = claims(_rows(1.0, 2), preset, key=key)
    assert [claim.supported for claim in judged if "sample" not in claim.claim] == [None] * 4


def test_summaries_keep_null_baseline_and_interval(key):
    null = {"kind": "shuffled_conditions", "mean": 0.3, "p95": 0.4, "p": 0.01}
    rows = [
        Row("m", "unit", arm, value + seed, condition={"set": "train", "regime": "tuned", "seed": seed}, null=null)
        for arm, value in (("hints", 1.0), ("untrained", 0.0))
        for seed in range(5)
    ]
    summary = summaries.summary_rows(summaries.with_baselines(rows), key=key)[0]
    assert (summary.value, summary.n, summary.baselines["untrained"]) == (3.0, 5, 2.0)
    assert summary.null is not None
    assert summary.null["p95"] == 0.4
    assert summary.ci[0] < 3.0 < summary.ci[1]


def test_a_small_study_runs_from_start_to_report(tmp_path, monkeypatch):
    monkeypatch.setitem(salatiello2020.PRESETS, "tiny", salatiello2020.Preset(1, (0.1,)))
    entries = [_specification(arm) for arm in ("hints", "no_hints", "untrained")]
    monkeypatch.setattr(salatiello2020_run.study, "specifications", lambda preset, seed: entries)
    out = tmp_path / "run"
    assert salatiello2020_run.run(preset="tiny", seed=0, jobs=1, out=out)
    names = {path.name for path in out.iterdir()}
    assert summaries.by_seed(recirc.runs.read_metrics((out / "metrics.json").read_text())[1], "output_nmse", "hints")
    expected = {"DONE", "manifest.json", "config.toml", "metrics.json", "activity.nc", "networks.nc"}
    assert expected | {"history.jsonl", "figures", "report.html", "report.json"} == names
    assert recirc.runs.verify(out) == []
    page = (out / "report.html").read_text()
    assert "undecided" in page.lower()
    assert "<script" not in page
    weights = recirc.runs.read_dataset(out / "networks.nc")
    assert weights["recurrent"].shape == (3, 40, 40)
