"""Sweeps: what is varied, that the table does not depend on what ran it, and what it holds."""

import csv
import dataclasses
import functools
import io
import json
from pathlib import Path

import numpy as np
import pytest
from inline_engine import use
from small_sweep import BASE

import recirc
from recirc.analyses import AnalysisResult, Claim, Failure, Result, Row, results
from recirc.analyses.pieces import seed_of, specification_key
from recirc.analyses.wide import column, to_csv, to_dataset, wide
from recirc.data.netcdf import read_dataset, write_dataset
from recirc.runs import Experiment, FolderError, RunFolder, Unfinished, dump_config
from recirc.runs.experiment import run
from recirc.runs.live import live_report
from recirc.runs.report import ReportText, build, read_result
from recirc.studies import sweep
from recirc.studies.sweep import Axis, SweepConfig
from recirc.studies.sweep.config import settings
from recirc.studies.sweep.design import pieces_of, runs_of

ROOT = Path(__file__).parents[2]

SMALL = f"""title = "Small"
seeds = [0, 1, 0]
{BASE}kind = "FullForce"
n_passes = 2
[[base.probes]]
kind = "InputScale"
scale = 1.2
[[axes]]
field = "trainer.noise"
values = [0.0, 0.1]
[[axes]]
field = "task.peak_speed"
values = [0.1, 1e307]
"""


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A sweep of eight networks, of which four diverge, in this process."""
    recirc.enable_x64()
    use(monkeypatch)
    (tmp_path / "small.toml").write_text(SMALL)
    return sweep.load_sweep(tmp_path / "small.toml")


def _tables(folder) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("table.csv", "table.nc", "metrics.json", "config.toml")]


@pytest.fixture
def clean(small, tmp_path):
    run(sweep.experiment(small), tmp_path / "clean")
    return tmp_path / "clean"


def test_spacings():
    assert Axis("a", (3, 1, 3)).points() == (3, 1)
    assert Axis("a", low=1, high=3, n=3).points() == (1.0, 2.0, 3.0)
    assert Axis("a", low=0.001, high=1, n=4, spacing="log").points() == (0.001, 0.01, 0.1, 1.0)
    drawn = [Axis("a", low=1e-3, high=1, n=2000, spacing=s, seed=1).points() for s in ("random", "random_log")]
    assert np.quantile(drawn[0], [0, 0.5, 1]) == pytest.approx([0, 0.5, 1], abs=0.03)
    assert np.quantile(np.log10(drawn[1]), [0, 0.5, 1]) == pytest.approx([-3, -1.5, 0], abs=0.1)
    assert drawn[0] != Axis("a", low=1e-3, high=1, n=2000, spacing="random", seed=2).points()


def test_lists_and_ranges_are_crossed_and_random_axes_drawn_together():
    axes = (
        Axis("trainer.noise", low=0.01, high=1, n=5, spacing="random"),
        Axis("circuit.n_units", low=10, high=20, n=3),
        Axis("circuit.gain", low=0.5, high=2, n=5, spacing="random", seed=1),
        Axis("trainer.kind", ("FullForce", "Ridge")),
    )
    found = list(settings(SweepConfig(axes=axes)))
    assert len(found) == 5 * 3 * 2
    values, base = found[-1]
    assert list(values) == [axis.field for axis in axes]
    assert values["circuit.n_units"] == base.circuit.n_units == 20
    assert type(base.circuit.n_units) is int
    assert values["trainer.noise"] == base.trainer.noise == axes[0].points()[-1]
    assert isinstance(base.trainer, recirc.train.Ridge)
    assert len({(values["trainer.noise"], values["circuit.gain"]) for values, _ in found}) == 5


def test_a_setting_makes_every_component_that_changes_once(monkeypatch):
    fields, made, replace = (
        ("trainer.noise", "trainer.drive", "trainer.penalty", "circuit.gain"),
        [],
        dataclasses.replace,
    )
    config = SweepConfig(axes=tuple(Axis(field, (0.1, 0.2)) for field in fields))
    monkeypatch.setattr(dataclasses, "replace", lambda *args, **kwargs: made.append(args) or replace(*args, **kwargs))
    found = list(settings(config))
    assert len(made) == 3 * len(found) == 3 * 16
    assert [base.trainer.penalty for values, base in found] == [values["trainer.penalty"] for values, _ in found]


def test_equal_seeds_and_values_are_one_run_and_every_run_has_its_own_stream(small):
    runs = runs_of(small)
    assert [(*values.values(), seed) for values, _, seed in runs] == [
        (noise, drive, seed) for noise in (0.0, 0.1) for drive in (0.1, 1e307) for seed in (0, 1)
    ]
    specifications = [{"training": piece.training, "seed": piece.seed} for piece in pieces_of(small, runs)]
    assert len({seed_of(specification_key(each)) for each in specifications}) == len(runs)


def test_a_network_with_the_default_written_out_is_the_same_piece(small, tmp_path):
    (tmp_path / "b.toml").write_text(SMALL.replace("n_units = 8", "n_units = 8\ngain = 1.5"))
    assert runs_of(sweep.load_sweep(tmp_path / "b.toml")) == runs_of(small)


def test_the_resolved_configuration_is_the_sweep(small, tmp_path):
    (tmp_path / "config.toml").write_text(dump_config(small))
    assert sweep.load_sweep(tmp_path / "config.toml") == small


def test_the_table_has_every_run_and_says_why_some_have_no_numbers(clean):
    lines = list(csv.DictReader(io.StringIO((clean / "table.csv").read_text())))
    assert list(lines[0]) == [
        "trainer.noise", "task.peak_speed", "seed", "outcome", "output_nmse(train)",
        "output_nmse(input_scale, scale=1.2)",
    ]  # fmt: skip
    assert [line["seed"] for line in lines] == ["0", "1"] * 4
    for line in lines:
        has_number = line["task.peak_speed"] == "0.1"
        assert (line["outcome"] == "") is has_number
        assert (line["output_nmse(train)"] != "") is has_number
        assert has_number or "diverged in pass 0" in line["outcome"]
    dataset = read_dataset(clean / "table.nc")
    assert dataset.sizes == {"run": 8}
    assert set(dataset.coords) == {"trainer.noise", "task.peak_speed", "seed"}
    np.testing.assert_array_equal(
        dataset["output_nmse(train)"][:2], [float(x["output_nmse(train)"]) for x in lines[:2]]
    )
    names = {path.name for path in clean.iterdir()}
    assert {"DONE", "manifest.json", "config.toml", "metrics.json", "report.html", "table.csv", "table.nc"} <= names
    assert not names & {"activity.nc", "networks.nc", "parts"}


def test_shards_merges_and_one_process_make_the_same_bytes(small, clean, tmp_path):
    for folder, index in (("shared", 1), ("a", 1), ("b", 2)):
        with pytest.raises(Unfinished, match=f"shard {index} of 2 is finished"):
            run(sweep.experiment(small), tmp_path / folder, shard=f"{index}/2")
    run(sweep.experiment(small), tmp_path / "shared", shard="2/2")
    with pytest.raises(Unfinished, match="4 of 8 pieces"):
        run(sweep.experiment(small), tmp_path / "merged", merge=[tmp_path / "a"])
    run(sweep.experiment(small), tmp_path / "merged", merge=[tmp_path / "b"])
    assert _tables(tmp_path / "shared") == _tables(tmp_path / "merged") == _tables(clean)


def test_the_report_is_one_page_and_can_be_made_anew(clean):
    page = (clean / "report.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 2
    assert "8 runs, 2 seeds of every setting. 4 of them have no numbers" in page
    assert "trainer.noise 0.0, task.peak_speed 1e+307, seed 0" in page
    with RunFolder.reopen(clean) as folder:
        build(folder)
    assert (clean / "report.html").read_text() == page


def test_any_measure_against_any_axis(clean):
    result = read_result(clean)
    figure = recirc.figures.measures_by_axis(result, ["output_nmse(train)"], ["task.peak_speed"])
    assert len(figure.axes) == 1
    assert len(recirc.figures.heat_maps(result).axes) == 4  # two maps and their bars
    with pytest.raises(ValueError, match="no measure 'x'"):
        recirc.figures.measures_by_axis(result, ["x"])
    with pytest.raises(ValueError, match="'x' was not varied"):
        recirc.figures.heat_maps(result, axes=["x"])


def test_thousands_of_points_are_one_picture_in_the_svg():
    def size(n: int) -> int:
        place = lambda i: {"set": "train", "noise": 0.01 * (i % 40), "drive": 0.01 * (i % 30), "seed": i}  # noqa: E731
        rows = [Row("output_nmse", "performance", "network", 1 / (i + 1), condition=place(i)) for i in range(n)]
        about = {"keys": ["noise", "drive", "seed"], "axes": {"noise": "list", "drive": "list"}}
        figure = recirc.figures.measures_by_axis(AnalysisResult("sweep", tuple(rows), about=about))
        return len(recirc.figures.style.render(figure)["svg"])

    assert size(5000) < 1.5 * size(600) < 300_000


def test_weights_and_history_are_kept_when_asked(small, tmp_path):
    text = SMALL.replace('title = "Small"', 'keep = ["weights", "history"]').replace("[0.1, 1e307]", "[0.1]")
    text = text.replace('"trainer.noise"\nvalues = [0.0, 0.1]', '"circuit.n_units"\nvalues = [8, 12]')
    (tmp_path / "kept.toml").write_text(text)
    run(sweep.experiment(sweep.load_sweep(tmp_path / "kept.toml")), tmp_path / "kept")
    networks = read_dataset(tmp_path / "kept/networks.nc")
    assert networks["recurrent"].shape == (4, 12, 12)
    assert networks["n_units"].values.tolist() == [8, 8, 12, 12]
    assert not networks["recurrent"][0, 8:].any()
    assert len((tmp_path / "kept/history.jsonl").read_text().splitlines()) == 4 * 2


def test_fits_of_a_recording_and_studies_are_swept_alike(monkeypatch, tmp_path):
    def made(study, *, preset, seed):
        if preset == "full":
            raise ValueError("too large")
        rows = [
            Row("x", "unit", "hints", seed + 0.5, condition={"set": "train"}),
            Row("x", "unit", "hints", 1.0, condition={"seed": 1}),
        ]
        claims = (
            Claim(
                "=1 is a claim.", "here", seed == 1 or None, seed + 0.5, (0.0, 1e3), 0.01, 4, 0.1, 3 if seed else None
            ),
        )
        made = AnalysisResult(study, tuple(rows), claims)
        return Experiment(study, seed, lambda map: made, lambda result: ReportText(""), str)

    monkeypatch.setattr("recirc.studies.experiment", made)
    (tmp_path / "a.toml").write_text(
        '[base]\nkind = "Study"\nstudy = "planted"\n[[axes]]\nfield = "preset"\nvalues = ["quick", "full"]'
    )
    run(sweep.experiment(sweep.load_sweep(tmp_path / "a.toml")), tmp_path / "run")
    assert (tmp_path / "run/table.csv").read_text().splitlines() == [
        "preset,seed,outcome,\"x(hints, train)\"", "quick,0,,0.5", "quick,1,,1.5", "quick,2,,2.5",
        *(f"full,{i},ValueError: too large," for i in range(3)),
    ]  # fmt: skip
    assert (tmp_path / "run/claims.csv").read_text().splitlines() == [
        "preset,seed,claim,source,supported,effect,p,n,smallest,needs,power,ci_low,ci_high",
        "quick,0,'=1 is a claim.,here,undecided,0.5,0.01,4,0.1,,,0.0,1000.0",
        "quick,1,'=1 is a claim.,here,supported,1.5,0.01,4,0.1,3,,0.0,1000.0",
        "quick,2,'=1 is a claim.,here,undecided,2.5,0.01,4,0.1,3,,0.0,1000.0",
    ]
    data = tmp_path / "a.nc"
    data.touch()
    base = sweep.Recording(str(data))
    assert base.inputs == (data,)
    assert base.specification().data == "a.nc"


def _number(number, piece):
    return Result({}, {"x": number})


def _fit_of_a_number(path, config, *, seed):
    def analyse(map):
        ((_, done),) = results(functools.partial(_number, float(path.read_text())), [{"i": 0}], map)
        if isinstance(done, Failure):
            raise ValueError(done.text)
        return AnalysisResult("fit", (Row("x", "unit", "network", done.metadata["x"], condition={"set": "train"}),))

    return Experiment("fit", seed, analyse, lambda result: ReportText(""), str)


def test_recordings_of_one_name_are_told_apart_and_each_is_an_input(monkeypatch, tmp_path):
    monkeypatch.setattr("recirc.studies.fit.experiment", _fit_of_a_number)
    use(monkeypatch)
    paths = [tmp_path / mouse / "session.nwb" for mouse in "ab"]
    for path, text in zip(paths, ("1.5", "2.5")):
        path.parent.mkdir()
        path.write_text(text)
    axis = Axis("data", tuple(map(str, paths)))
    config = SweepConfig(base=sweep.Recording(str(paths[0])), axes=(axis,), seeds=(0,))
    run(sweep.experiment(config), tmp_path / "run", redact=True)
    lines = csv.DictReader(io.StringIO((tmp_path / "run/table.csv").read_text()))
    assert [line["x(train)"] for line in lines] == ["1.5", "2.5"]
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert [name.partition(" ")[0] for name in manifest["inputs"]] == ["session.nwb"] * 2
    with pytest.raises(Unfinished):
        run(sweep.experiment(config), tmp_path / "shards", shard="1/2")
    assert live_report(tmp_path / "shards", sweep.experiment(config))[1] == 1
    paths[1].write_text("3.5")
    with pytest.raises(FolderError, match=r"b/session\.nwb has changed since"):
        run(sweep.experiment(config), tmp_path / "shards", shard="2/2")


@pytest.mark.parametrize("path", sorted((ROOT / "docs/sweeps").glob("*.toml")), ids=lambda path: path.name)
def test_the_sweeps_of_the_pages_are_sweeps(path):
    config = sweep.load_sweep(path)
    assert next(settings(config))[1] != config.base


def test_formulas_in_a_table_are_text_and_columns_are_told_apart(tmp_path):
    rows = [
        Row(
            "x",
            "unit",
            "network",
            float("nan"),
            condition={"set": "train", "name": "=cmd|'/C calc'!A1", "outcome": "-1"},
        ),
        Row("x", "unit", "twin", 0.1, condition={"set": "train", "name": "b", "scale": 2.0}),
    ]
    table = wide(rows, ["name"])
    assert column(rows[1], ["name"]) == "x(twin, train, scale=2)"
    assert to_csv(table) == "name,outcome,\"x(twin, train, scale=2)\"\n'=cmd|'/C calc'!A1,'-1,\nb,,0.1\n"
    for name in "ab":
        write_dataset(to_dataset(table, {}), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
