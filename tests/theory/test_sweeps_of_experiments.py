"""Sweeps of studies and of fits: one process, two jobs, and two shards make the same bytes."""

import dataclasses
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from inline_engine import use

import recirc
import recirc.studies
from recirc.analyses import AnalysisResult
from recirc.runs import Experiment, FolderError, RunFolder, Unfinished
from recirc.runs.environment import environment
from recirc.runs.experiment import run
from recirc.runs.locks import WHOLE, Share
from recirc.runs.report import ReportText
from recirc.studies import sweep
from recirc.studies.sweep import Axis, Recording, SweepConfig, design
from recirc.studies.sweep.bases import AbstractExperiment
from recirc.studies.sweep.cost import Cost

STUDY = """
[base]
kind = "Study"
study = "planted"
[[axes]]
field = "preset"
values = ["quick", "full"]
"""

FIT = """
seeds = [0, 1]
[base]
kind = "Recording"
data = "DATA"
[base.config]
recorded_fraction = 0.25
n_folds = 2
n_seeds = 1
bias_scales = [0.5]
gain_factors = []
drive_factors = []
noise_factors = []
input_factors = []
completions = ["raw"]
penalties = [1e-2]
[base.config.network]
n_units = 12
[base.config.trainer]
kind = "FullForce"
n_passes = 1
noise = 0.5
update_interval = 0.05
"""

PLANTED = '''
import functools
import jax
import numpy as np
from recirc.analyses import AnalysisResult, Failure, Result, Row, results, specification_key
from recirc.runs import Experiment
from recirc.runs.report import ReportText

def draw(piece):
    if piece["seed"] == 1 and piece["preset"] == "full":
        raise ValueError("bad luck")
    return Result({"x": np.asarray(jax.random.normal(specification_key(piece), (3,)))})

def analyse(pieces, map):
    """Two rounds of work, of which the second depends on the first."""
    done = [result for _, result in results(draw, pieces, map)]
    if failed := [result for result in done if isinstance(result, Failure)]:
        raise ValueError(f"{len(failed)} pieces failed: {failed[0].text}")
    first = [float(result.arrays["x"][0]) for result in done]
    again = [piece | {"first": value} for piece, value in zip(pieces, first)]
    found = [float(result.arrays["x"].sum()) for _, result in results(draw, again, map)]
    return AnalysisResult("planted", (Row("x", "unit", "network", float(np.mean(found)), condition={"set": "train"}),))

def make(study, *, preset, seed):
    pieces = [{"preset": preset, "seed": seed, "i": i} for i in range(3)]
    return Experiment(study, pieces, functools.partial(analyse, pieces), lambda result: ReportText(""), str)
'''


def _recording(path) -> str:
    random, time, angles = np.random.default_rng(0), np.arange(21) * 0.02, np.deg2rad([10, 120, 200, 330])
    preferred, peak = random.uniform(0, 2 * np.pi, 12), random.uniform(0.1, 0.3, 12)
    tuning = 1 + np.cos(angles[:, None, None] - preferred)
    rates = 10 + 15 * tuning * np.exp(-(((time[:, None] - peak) / 0.1) ** 2))[None]
    coordinates = {
        "condition": ("condition", np.rad2deg(angles), {"units": "degree"}),
        "time": ("time", time, {"units": "s"}),
        "unit": [f"u{i}" for i in range(12)],
    }
    parts = {"rates": (("condition", "time", "unit"), rates, {"units": "spikes/s"})}
    xr.Dataset(parts, coordinates).to_netcdf(path, engine="h5netcdf")
    return str(path)


# In a process of its own, since bits depend on settings that are made before JAX is loaded.
SCRIPT = """
import pytest
import planted, recirc, recirc.studies
from inline_engine import use
from recirc.runs import Unfinished
from recirc.runs.experiment import run
from recirc.studies import sweep

if __name__ == "__main__":
    recirc.enable_x64()
    recirc.studies.experiment = planted.make
    made = {base: sweep.load_sweep(f"{base}.toml") for base in ("study", "fit")}
    for base, config in made.items():
        run(sweep.experiment(config), f"{base}-jobs", jobs=2)
    with pytest.MonkeyPatch.context() as patch:
        use(patch)
        for base, config in made.items():
            run(sweep.experiment(config), f"{base}-one")
            for index in (1, 2):
                with pytest.raises(Unfinished, match=f"shard {index} of 2 is finished"):
                    run(sweep.experiment(config), f"{base}-shard{index}", shard=f"{index}/2")
            run(sweep.experiment(config), f"{base}-merged", merge=[f"{base}-shard1", f"{base}-shard2"])
"""


def test_shards_merged_two_jobs_and_one_process_make_the_same_bytes(tmp_path):
    texts = {"planted.py": PLANTED, "script.py": SCRIPT, "study.toml": STUDY}
    texts["fit.toml"] = FIT.replace("DATA", _recording(tmp_path / "a.nc"))
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    places = [str(tmp_path), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    variables = os.environ | environment() | {"PYTHONPATH": os.pathsep.join(places)}
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for base, n_runs, n_failed in (("study", 6, 1), ("fit", 2, 0)):
        names = ("table.csv", "table.nc", "metrics.json")
        tables = [
            [(tmp_path / f"{base}-{how}" / name).read_bytes() for name in names] for how in ("one", "jobs", "merged")
        ]
        assert tables[0] == tables[1] == tables[2]
        lines = tables[0][0].decode().splitlines()
        assert len(lines) == 1 + n_runs
        assert len({line.split(",", 2)[-1] for line in lines}) == len(lines)  # runs share no numbers
        assert sum("bad luck" in line for line in lines) == n_failed


class _Experiment(AbstractExperiment):
    """Rounds of three and two pieces."""

    inputs = ()

    def specification(self):
        return "planted"

    def experiment(self, seed: int):
        def analyse(map):
            for n in (3, 2):
                map(None, [f"{i}" for i in range(n)])
            return AnalysisResult("planted", ())

        return Experiment("planted", seed, analyse, lambda result: ReportText(""), str)


class _Map:
    """A map that tells a progress of pieces, of which those of the first experiment are finished."""

    share = WHOLE

    def __init__(self, log: io.StringIO):
        self.log, self.clock, self.seen, self.lines = log, 0.0, [], []

    def within(self, share, of, progress):
        self.seen.append(progress)
        self.progress = progress
        progress.stream, progress.clock = self.log, lambda: self.clock
        return self

    def __call__(self, function, pieces):
        n_before = len(pieces) * (len(self.seen) == 1)
        self.progress.start(len(pieces), n_before, ["a"] * (len(pieces) - n_before))
        for _ in range(n_before):
            self.progress.heard("a", 40.0)
        for _ in range(len(pieces) - n_before):
            self.clock += 40.0
            self.progress.advance("a", 40.0, failed=False)
        self.progress.stop()


def test_sweeps_of_experiments_have_one_count_for_the_whole():
    log = io.StringIO()
    done = design._experiments([({}, _Experiment(), seed) for seed in range(3)], spy := _Map(log))
    assert len(done) == 3
    assert len({id(progress) for progress in spy.seen}) == 1
    first, *lines = log.getvalue().splitlines()
    assert first == "1 of 3 runs were finished before; going on with 2."
    assert len(lines) == 10  # pieces of 40 s, a line after each
    # 3 pieces in the first round; a finished experiment took 200 s
    assert lines[0] == "1 of 3 runs are finished, 1.5 networks a minute, about 5 min left."
    assert lines[-1] == "2 of 3 runs are finished, 1.5 networks a minute, about 0 s left."


def test_a_dry_run_trains_nothing_for_a_folder_that_is_sealed(tmp_path, monkeypatch):
    monkeypatch.setattr("recirc.studies.sweep.dry_run.cost", lambda *given: Cost(7.0, 1e6, 0, "as planted"))
    config = SweepConfig(axes=(Axis("trainer.noise", (0.1, 0.2)),), seeds=(0, 1))
    made = design.experiment(config)
    record = {"study": made.study, "preset": made.preset, "specification": made.specification}
    with RunFolder.open(tmp_path / "run", specification=record) as folder:
        folder.write_metrics("sweep", "default", [])
        folder.write_manifest([], [0])
        assert "as planted" in sweep.foretell(config, tmp_path / "run", 1)
        folder.finish()
    said = sweep.foretell(config, tmp_path / "run", 1)
    assert said == f"4 runs: 2 settings, 2 seeds. All are finished, in {tmp_path / 'run'}; nothing is left to do."
    other = dataclasses.replace(config, seeds=(0,))
    with pytest.raises(FolderError, match="another finished run"):  # as the sweep itself would say
        sweep.foretell(other, tmp_path / "run", 1)
    RunFolder.open(tmp_path / "begun", specification=record).close()
    assert "as planted" in sweep.foretell(config, tmp_path / "begun", 1)
    with pytest.raises(FolderError, match="unfinished run of another specification"):
        sweep.foretell(other, tmp_path / "begun", 1)


def test_a_dry_run_of_fits_foretells_every_setting_and_says_what_cannot_be_made(tmp_path):
    recirc.enable_x64()
    (tmp_path / "fit.toml").write_text(FIT.replace("DATA", _recording(tmp_path / "a.nc")))
    config = sweep.load_sweep(tmp_path / "fit.toml")
    assert isinstance(config.base, Recording)
    made = config.base.experiment(0)
    assert made.n_networks is not None
    config = dataclasses.replace(config, axes=(Axis("config.n_folds", (2, 50)),))
    said = sweep.foretell(config, tmp_path / "run", 2)
    assert said.startswith("4 runs: 2 settings, 2 seeds. ")
    assert f"they train and run {2 * made.n_networks} networks; 2 runs cannot be made" in said
    assert "of one core if nothing is finished" in said
    shard = sweep.foretell(config, tmp_path / "run", 2, Share(1, 4))
    assert f"Shard 1 of 4 has 1 of them. Together they train and run {made.n_networks} networks: about" in shard
    ridge = dataclasses.replace(config.base.config, trainer=recirc.train.Ridge())
    config = dataclasses.replace(config, axes=(), base=dataclasses.replace(config.base, config=ridge))
    assert "How long is foretold for full-FORCE only" in sweep.foretell(config, tmp_path / "run", 2)
    config = dataclasses.replace(config, axes=(Axis("data", (str(tmp_path / "a.nc"), str(tmp_path / "none.nc"))),))
    with pytest.raises(ValueError, match=r"cannot read the input .*none\.nc"):  # as the sweep itself
        sweep.foretell(config, tmp_path / "run", 2)


def test_a_dry_run_of_studies_counts_their_pieces_and_times_a_few_or_reads_finished_ones(tmp_path, monkeypatch):
    use(monkeypatch)
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(recirc.studies, "experiment", importlib.import_module("planted").make)
    (tmp_path / "study.toml").write_text(STUDY)
    config = dataclasses.replace(sweep.load_sweep(tmp_path / "study.toml"), seeds=(0, 2))
    said = sweep.foretell(config, tmp_path / "run", 2)
    assert said.startswith("4 runs: 2 settings, 2 seeds. They are 12 pieces of work. They take about")
    assert "(measured on 2 of them, with compiling), within a factor of two; the store" in said
    shard = sweep.foretell(config, tmp_path / "run", 2, Share(2, 4))
    assert "Shard 2 of 4 has 1 of them. They are 3 pieces of work." in shard
    with pytest.raises(Unfinished):
        run(sweep.experiment(config), tmp_path / "run", shard="2/4")
    said = sweep.foretell(config, tmp_path / "run", 2)
    assert "3 are finished; the rest takes about" in said
    assert "the mean of 3 finished networks" in said
