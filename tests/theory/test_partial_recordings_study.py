"""The study of partial recordings: its claims judge what is planted, and a small run leaves a whole folder."""

import tomllib

import jax
import numpy as np
import pytest

import recirc
from recirc.analyses import Row, frame
from recirc.analyses.pieces import Done, Failure, piece_key
from recirc.runs.experiment import run
from recirc.studies import qian2024
from recirc.studies.qian2024 import circuit as work
from recirc.studies.qian2024 import design, hinted
from recirc.studies.qian2024.claims import (
    BOUNDS,
    FORCE_PART,
    RECORDING,
    SOURCES,
    TRIALS,
    claims,
    controls,
    effects,
    kinds,
    powers,
)
from recirc.studies.qian2024.network import learned_from

TINY = design.Preset(1, 0, 1, 1, 0, training={"n_passes": 1, "n_updates": 2, "forcing": 0.05, "penalty": 0.1})
NAMES = list(BOUNDS)


@pytest.fixture
def key():
    return jax.random.key(0)


def _row(metric, value, arm, place, seed, *, teacher=None, baselines=None) -> Row:
    return Row(metric, "mechanism", arm, value, condition=place | {"set": "train", "seed": seed}, teacher=teacher,
               baselines=baselines or {})  # fmt: skip


def _planted(ratio: float, n_seeds: int, *, matched: float = 0.8) -> list[Row]:
    """Students whose slowest modes are `ratio` times as slow wherever a claim says that they are."""
    rows = []
    for seed in range(n_seeds):
        slow = lambda arm, value, place, seed=seed, **at: _row(  # noqa: E731
            "slowest_mode_s", value * (1 + 0.01 * np.cos(3 * seed)), arm, place | at, seed,
            teacher=0.1, baselines={"untrained": 0.3},
        )  # fmt: skip
        for name in design.KINDS:
            worse = ratio if name in (*design.FEEDFORWARD, *design.LOW_RANK) else 1.0
            rows.append(slow("ridge", 0.1 * worse, RECORDING, circuit=name))
        own = {"circuit": design.CENTRAL}
        rows.append(slow("ridge", 0.1 * ratio, TRIALS, **own))
        for place in (RECORDING, TRIALS):
            rows += [slow("ridge", 0.1, place, **own, fraction=share) for share in (design.HALF, 1.0)]
            rows += [slow("bptt", 0.1 * ratio, place, **own), slow("bptt", 0.1, place, **own, n_hidden=50)]
        rows.append(slow("ridge", 0.1 * ratio, RECORDING, **own, length_s=design.LONG))
        rows += [
            slow("bptt_task", 0.1, RECORDING, **own),
            slow("bptt_task", 0.1 / ratio, RECORDING, **own, n_hidden=50),
        ]
        rows.append(slow("full_force", 0.1 * ratio, RECORDING, **own))
        rows += [
            _row("n_spurious_slow", n - 1, arm, RECORDING | own, seed, baselines={"untrained": 4.0})
            for arm, n in (("full_force", 2 * ratio), ("full_force_task", 2.0), ("full_force_large", 2 * ratio))
        ]
        whole = RECORDING | own | {"fraction": 1.0}
        rows.append(_row("n_spurious_slow", 1.0, "full_force_large", whole, seed, baselines={"untrained": 4.0}))
        rows.append(
            _row(
                "recorded_r2",
                matched + 0.01 * np.cos(seed),
                "ridge",
                RECORDING | own,
                seed,
                baselines={"untrained": 0.1},
            )
        )
    return rows


def test_planted_effects_are_judged_for_what_they_are(key):
    verdict = lambda rows: dict(zip(NAMES, [c.supported for c in claims(frame(rows), key=key)]))  # noqa: E731
    assert verdict(_planted(8.0, 10)) == dict.fromkeys(NAMES, True)
    nothing = verdict(_planted(1.0, 10, matched=0.2))
    assert nothing == dict.fromkeys(NAMES, False) | {"slow": None, "time": True}, "where nothing matches, none is asked"
    assert verdict(_planted(8.0, 2)) == dict.fromkeys(NAMES), "two circuits are too few"


def test_effects_are_those_planted_and_each_claim_has_its_source(key):
    table = frame(_planted(8.0, 10))
    found = dict(zip(NAMES, claims(table, key=key)))
    assert found["slow"].effect == pytest.approx(8, rel=0.02)
    assert found["time"].effect == pytest.approx(1, rel=1e-6)
    assert [found[name].effect for name in ("part", "hidden", "task")] == pytest.approx([8.0] * 3)
    assert {name for name, claim in found.items() if claim.source == "ours"} == set(SOURCES)
    assert all(np.isfinite(claim.smallest) for claim in found.values())


def test_controls_stand_beside_every_claim():
    """Twins of one size have no effect, whatever the claim; of random circuits there is none here."""
    lines = controls(frame(_planted(8.0, 6)))
    assert len(lines) == len(BOUNDS)
    for name, (_, effect, twins, control) in zip(NAMES, lines):
        assert effect > (0.5 if name in ("matched", "time") else 5)
        wanted = {"matched": pytest.approx(0.1), "slow": pytest.approx(3.0), "force": pytest.approx(3.0)}.get(
            name, pytest.approx(1.0)
        )
        assert twins == wanted
        assert control is None


def test_no_claim_is_about_students_that_are_not_asked_for():
    """Every preset has all that the claims look at, for every seed."""
    for preset in design.PRESETS.values():
        asked = [(each | {"circuit": e["circuit"]}, e["seed"]) for e in design.specifications(preset, 0)
                 for each in e["students"]]  # fmt: skip
        rows = [
            _row(metric, 0.5, place["arm"], {name: place[name] for name in design.PLACE}, seed, teacher=0.1)
            for place, seed in asked
            for metric in ("slowest_mode_s", "recorded_r2", "n_spurious_slow")
        ]
        table = frame(rows)
        values = effects(table) | kinds(table)
        wanted = dict.fromkeys(BOUNDS, preset.n_seeds) | {FORCE_PART: preset.n_large}
        assert {name: len(each) for name, each in values.items()} == wanted


def test_the_full_preset_has_power_for_every_claim():
    assert min(powers(design.PRESETS["full"]).values()) >= 0.7


def test_students_of_a_circuit_share_its_runs():
    circuit = {"study_seed": 0, "seed": 0, "circuit": "random", "n_units": 12}
    whole, new = (work.recording("recording", is_new, **circuit) for is_new in (False, True))
    assert whole.rates.shape == (1, round(design.LONG / design.DT), 12)
    assert not np.allclose(whole.rates[:, :100], new.rates[:, :100])
    teacher, order = work.made(**circuit)
    assert sorted(order.tolist()) == list(range(12))
    assert np.allclose(whole.outputs, whole.rates @ np.asarray(teacher.network.readout).T)
    kicks = work.kicked(design.student("ridge", fraction=0.25), circuit)
    assert kicks.shape == (3, 50, 3)
    assert np.abs(kicks[:, 0]).argmax(axis=1).tolist() == [0, 1, 2], "at first it is the kicked unit that moves"


def test_the_choice_of_units_is_what_it_says():
    circuit = {"study_seed": 0, "seed": 0, "circuit": "random", "n_units": 12}
    chosen = {each: work.units_of(design.student("ridge", fraction=0.25, recorded=each), circuit)
              for each in (design.RANDOM, design.ACTIVE, design.CONNECTED)}  # fmt: skip
    for recorded, others in chosen.values():
        assert sorted([*recorded, *others]) == list(range(12))
        assert len(recorded) == 3
    spread = work.shown_run(design.student("ridge"), False, circuit).rates.var(axis=(0, 1))
    assert spread[chosen[design.ACTIVE][0]].min() > spread[chosen[design.ACTIVE][1]].max()
    chain = np.diag([3.0, 1.0, 2.0], 1)  # 0 - 1 - 2 - 3
    assert work.by_connection(chain, 1).tolist() == [1, 0, 2, 3]
    assert work.by_connection(chain, 3).tolist() == [3, 2, 1, 0]


def test_louder_noise_is_the_same_noise():
    circuit = {"study_seed": 0, "seed": 0, "circuit": "line_attractor", "n_units": 6}
    runs = [work.recording("recording", False, noise, **circuit) for noise in (design.NOISE, design.LOUD)]
    np.testing.assert_allclose(runs[1].trials.inputs, 4 * np.asarray(runs[0].trials.inputs), rtol=1e-6)


@pytest.mark.parametrize("with_task", [False, True])
def test_units_of_a_hinted_student_are_sums_of_its_own(with_task, key):
    """Without the task its readout is the best there is; what it makes does not depend on the circuit's later steps."""
    circuit = {"study_seed": 0, "seed": 0, "circuit": "random", "n_units": 12}
    asked = design.student("full_force_task" if with_task else "full_force", fraction=0.25)
    seen, units = learned_from(asked, circuit), work.units_of(asked, circuit)[0]
    twin = hinted.untrained(seen, design.n_own(asked), key)
    trained = hinted.train_hinted(twin, seen, with_task=with_task, key=key).network
    run = work.shown_run(asked, False, circuit)
    both = hinted.run_hinted(trained, run, units)
    assert both.shape == (1, run.rates.shape[1] - 1, 3 + design.N_FORCE)
    np.testing.assert_allclose(both[..., :3], both[..., 3:] @ np.asarray(trained.readout[:3]).T, atol=1e-9)
    later = run._replace(rates=np.where(np.arange(run.rates.shape[1])[:, None] % 100, 0, run.rates))
    np.testing.assert_array_equal(hinted.run_hinted(trained, later, units), both)
    assert 0 <= hinted.task_error(trained, seen).value < 1, "with a readout of zeros it were 1"


def test_a_hinted_student_of_a_kick_makes_what_the_kick_changes(key):
    """It makes of silence nothing, and of every kick what it makes of a run that begins so, less that of silence."""
    circuit = {"study_seed": 0, "seed": 0, "circuit": "random", "n_units": 30}
    asked = design.student("full_force", fraction=0.1)
    twin = hinted.untrained(learned_from(asked, circuit), 40, key)
    made = hinted.hinted_kicks(twin, 3, 50, design.DT)
    assert made.shape == work.kicked(asked, circuit).shape == (3, 50, 3)
    rates = np.zeros((1, 200, 30))
    rates[0, 0, work.units_of(asked, circuit)[0][1]] = work.KICK
    run = work.shown_run(asked, False, circuit)._replace(rates=rates, outputs=np.zeros((1, 200, 3)))
    told = hinted.run_hinted(twin, run, work.units_of(asked, circuit)[0])[0, :, :3]
    np.testing.assert_allclose(made[1, 1:], told[:49] - told[100:149], atol=1e-9)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="quick, full"):
        qian2024.experiment(preset="quik", seed=0)


def small(seed: int) -> list[dict]:
    """Specifications of a study of small circuits."""
    kept = ("feedforward", "feedforward_tanh", "random", "low_rank_normal")
    entries = [entry for entry in design.specifications(TINY, seed) if entry["circuit"] in kept]
    left_out = [{"fraction": design.HALF}, {"length_s": design.LONG}, {"data": "trials", "fraction": 1.0}]
    left_out += [{"arm": "bptt_task", "n_hidden": 0}, {"data": "trials", "n_hidden": design.N_HIDDEN}]
    left_out += [{"noise": design.LOUD}, {"recorded": design.CONNECTED, "data": "trials"}, {"arm": "full_force_task"}]
    plain = lambda each: not any(where.items() <= each.items() for where in left_out)  # noqa: E731
    fewer = lambda entry: {"students": [each for each in entry["students"] if plain(each)]}  # noqa: E731
    changed = lambda entry: {"n_units": 100, "is_shown": entry["circuit"] == "feedforward"}  # noqa: E731
    return [entry | changed(entry) | fewer(entry) for entry in entries]


def test_a_study_whose_circuits_all_fail_ends_in_rows_that_say_so():
    entries = small(0)
    lose = lambda function, pieces: [Done(piece_key(piece), Failure("killed")) for piece in pieces]  # noqa: E731
    result = qian2024.analyse(TINY, entries, lose)
    single = [row for row in result.rows if "seed" in row.condition]
    assert len(single) == sum(len(entry["students"]) for entry in entries)
    assert {row.condition["outcome"] for row in single} == {"killed"}
    assert [claim.supported for claim in result.claims] == [None] * (len(BOUNDS) - 1), "there are no large students"
    assert result.figures == ()
    assert "–" in result.sentences["verdict"]


@pytest.fixture
def folder(tmp_path_factory):
    """The folder of a small study, its result and its words."""
    out, entries = tmp_path_factory.mktemp("partial") / "run", small(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(design.PRESETS, "tiny", TINY)
        patch.setattr(design, "specifications", lambda preset, seed: entries)
        study = qian2024.experiment(preset="tiny", seed=0)
        return out, run(study, out, jobs=1), study.words


@pytest.mark.slow
def test_a_small_study_leaves_a_whole_folder(folder):
    """One test, since the study is run anew for every one."""
    out, result, words = folder
    check_that_every_student_has_all_measures(result)
    check_that_weights_are_those_of_the_first_circuits(out)
    assert recirc.runs.verify(out) == []
    config = tomllib.loads((out / "config.toml").read_text())
    assert (config["preset"], config["dt"], config["preset_sizes"]["n_shown"]) == ("tiny", design.DT, 1)
    page = (out / "report.html").read_text()
    assert "undecided" in page
    assert "<script" not in page
    drawn = {path.stem for path in (out / "figures").iterdir()}
    assert drawn == set(words(result).pictures) == set(qian2024.DRAWINGS)


def check_that_every_student_has_all_measures(result):
    table = result.table.dropna(subset="seed")
    asked = [each | {"circuit": e["circuit"]} for e in small(0) for each in e["students"]]
    for each in asked:
        own = recirc.analyses.select(table, **each)
        assert {"slowest_mode_s", "n_spurious_slow", "nonnormality", "recorded_r2", "output_nmse"} <= set(own["metric"])
        hinted = each["arm"].startswith("full_force")
        assert "kicked_units_r2" in set(own["metric"])
        assert ("heldout_neuron_r2" in set(own["metric"])) == (each["fraction"] < 1)
        assert ("n_fixed_points" in set(own["metric"])) == (hinted or each["circuit"] == "feedforward_tanh")
        slowest = own[own["metric"] == "slowest_mode_s"].iloc[0]
        assert np.isfinite([slowest["value"], slowest["teacher"], slowest["baseline_untrained"]]).all()
    alike = ["recorded_r2", "heldout_neuron_r2", "kicked_units_r2", "dsa", "input_dsa"]
    plain = recirc.analyses.select(table, circuit="feedforward", recorded=design.RANDOM, noise=design.NOISE,
                                   fraction=design.FRACTION)  # fmt: skip
    plain = plain[plain["metric"].isin(alike) & (plain["data"] != "fine_steps")]
    assert set(plain["metric"]) == set(alike)
    assert plain["null_p"].between(0.05, 1).all(), "every likeness of a shown student has a null"
    quiet = recirc.analyses.select(table, arm="ridge", circuit="feedforward", noise=design.QUIET)
    drawn = set(quiet["metric"][quiet["null_p"].notna()])
    assert drawn == {"kicked_units_r2"}, "where no draw has a number, there is no null of it"
    is_certified = ~plain["metric"].isin(["dsa", "input_dsa"]) & ~plain["arm"].str.startswith("full_force")
    assert plain["null_certified"].eq(is_certified).all()


def check_that_weights_are_those_of_the_first_circuits(out):
    weights, activity = (recirc.data.read_dataset(out / name) for name in ("networks.nc", "activity.nc"))
    assert weights["arm"].values.tolist() == activity["arm"].values.tolist()
    sizes = {int((np.abs(J).sum(axis=1) > 0).sum()) for J in weights["recurrent"].values}
    assert sizes >= {10, 10 + design.N_HIDDEN, design.N_FORCE}
    assert np.isfinite(activity["rates"].values).any()
