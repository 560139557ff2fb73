"""Rows 21, 23, 25, 26 and 28-32 for sweeps: files that are wrong are refused with the line, before anything is run."""

import contextlib
import json
import os
import re
import subprocess
import sys

import pytest
from inline_engine import use
from small_sweep import BASE
from typer.testing import CliRunner

import recirc
from recirc.analyses import AnalysisResult, Result, Row, results
from recirc.cli import app
from recirc.runs import ConfigError, Experiment, RunFolder, live
from recirc.runs.experiment import run
from recirc.runs.locks import Lock, Share
from recirc.runs.report import ReportText
from recirc.studies import sweep
from recirc.studies.sweep.design import runs_of

GOOD = f"""title = "Small"
seeds = [0]
{BASE}kind = "FullForce"
n_passes = 1
[[axes]]
field = "trainer.noise"
values = [0.0, 0.1]
[[axes]]
field = "circuit.gain"
low = 0.5
high = 1.5
n = 2
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n_trials", "n_trails", r"line 4: Training has no field 'n_trails'; did you mean 'n_trials'"),
        ("seeds", "sedes", r"line 2: SweepConfig has no field 'sedes'; did you mean 'seeds'"),
        ("FullForce", "FullFrce", r"line 12: kind of base\.trainer is FullFrce; did you mean 'FullForce'"),
        ("trainer.noise", "trainer.nose", r"line 14: FullForce has no field 'nose'; did you mean 'noise'"),
        ("circuit.gain", "circut.gain", r"line 17: Training has no field 'circut'; did you mean 'circuit'"),
        ("[0.0, 0.1]", '[0.0, "a"]', r"line 14: noise must be a number, got text 'a'"),
        ("[0.0, 0.1]", "[0.0, -3.0]", r"^[^,]+a\.toml, line 14: FullForce: noise must be at least 0"),
        ("[0.0, 0.1]", "[0.0, nan]", r"line 16: values is nan; give a finite number"),
        ("[0]", "[nan]", r"line 2: seeds is nan"),
        ("[0]", "[]", r"seeds must be at least one"),
        ("[0]", "[-1]", r"none negative"),
        ("low = 0.5\n", "", r"line 17: Axis: the axis circuit\.gain needs either values, or low, high and n"),
        ("n = 2", "n = 0", r"needs low < high, n from 1 to 10000"),
        ("n = 2", "n = 10001", r"needs low < high, n from 1 to 10000"),
        ("n = 2", 'n = 2\nspacing = "linar"', r"line 22: spacing is 'linar'; did you mean 'linear'"),
        ("low = 0.5", 'low = 0.0\nspacing = "log"', r"low must be positive"),
        ("circuit.gain", "trainer.noise", r"trainer\.noise has two axes"),
        ('kind = "CenterOutReach"', 'kind = "CenterOutReach"\ndt = 0.1', r"Cannot overwrite a value"),
        ("[0]", f"[{', '.join(map(str, range(250_001)))}]", r"a configuration has at most 65536"),
        ("title", "keep = ['wieghts']\ntitle", r"line 1: keep is 'wieghts'; did you mean 'weights'"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line_and_the_nearest_name(old, new, message, tmp_path):
    assert GOOD.count(old) >= 1
    (tmp_path / "a.toml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        sweep.experiment(sweep.load_sweep(tmp_path / "a.toml"))


STUDY = """[base]
kind = "Study"
study = "kao2019"
settings = {reference_onset = 1}
[[axes]]
field = "settings.reference_onset"
values = [0.1, 0.2]
"""


def test_settings_of_a_study_come_from_the_file_with_their_types(tmp_path):
    (tmp_path / "a.toml").write_text(STUDY)
    assert sweep.load_sweep(tmp_path / "a.toml").base.settings == {"reference_onset": 1}
    runs = runs_of(sweep.load_sweep(tmp_path / "a.toml"))
    assert [(values, base.settings) for values, base, seed in runs if seed == 0] == [
        ({"settings.reference_onset": onset}, {"reference_onset": onset}) for onset in (0.1, 0.2)
    ]
    missing = STUDY.replace("reference_onset = 1", f"reference = '{tmp_path}/none.nwb'")
    (tmp_path / "a.toml").write_text(missing)
    with pytest.raises(ValueError, match=r"none\.nwb: there is no such file"):  # the study itself was given the path
        sweep.experiment(sweep.load_sweep(tmp_path / "a.toml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{reference_onset", "{onset", r"line 1: Study: kao2019 has no setting 'onset'.*: reference, reference_onset"),
        ('"kao2019"', '"qian2024"', r"line 1: Study: qian2024 has no setting 'reference_onset'. There are: none"),
        ("= 1}", "= 'x'}", r"line 1: Study: settings: reference_onset must be a number, got text 'x'"),
        ("{reference_onset", "{reference", r"line 1: Study: settings: reference must be a path in quotes, got int 1"),
        ("settings.reference_onset", "settings.onset", r"line 5: Study: kao2019 has no setting 'onset'"),
    ],
)
def test_settings_that_a_study_has_not_are_refused_with_those_that_it_has(old, new, message, tmp_path):
    (tmp_path / "a.toml").write_text(STUDY.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        sweep.load_sweep(tmp_path / "a.toml")


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Calls the command line, with networks trained in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recirc.runs.environment.environment", dict)
    monkeypatch.setattr("recirc.runs.environment.keep_compiled_programs", lambda: None)
    monkeypatch.setenv("RECIRC_CACHE", str(tmp_path / "cache"))
    use(monkeypatch)
    (tmp_path / "a.toml").write_text(GOOD)
    return lambda *arguments: CliRunner().invoke(app, ["sweep", *map(str, arguments)])


def test_shards_and_their_merge_from_the_command_line(call, tmp_path):
    for index in (1, 2):
        found = call("a.toml", "--shard", f"{index}/2", "--out", f"s{index}")
        assert found.exit_code == 0, found.output
        assert f"shard {index} of 2 is finished; 2 of 4 pieces are not in" in found.output
    found = call("a.toml", "--merge", "s1", "--out", "all")
    assert found.exit_code == 2
    assert "2 of 4 pieces are not in" in found.output
    found = call("--merge", "s1", "s2", "--out", "all")
    assert found.exit_code == 0, found.output
    assert "See all/report.html" in found.output
    assert len((tmp_path / "all/table.csv").read_text().splitlines()) == 5
    assert "is finished; for a new run" in call("a.toml", "--shard", "1/2", "--out", "all").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.toml"], "cannot read the configuration none.toml"),
        (["a.toml", "--merge"], "--merge takes the folders of shards"),
        (["a.toml", "b"], "nothing else takes folders"),
        (["a.toml", "--shard", "3/2"], "a shard is I/N"),
        (["a.toml", "--merge", "none"], "none holds no unfinished run"),
        (["a.toml", "--shard", ""], "a shard is I/N"),
        (["a.toml", "none", "--merge", "--shard", "1/2"], "--merge: it does not go with --shard"),
        (["a.toml", "none", "--merge", "--dry-run"], "--merge: it does not go with --dry-run"),
        (["a.toml", "none", "--dry-run"], "--merge takes the folders of shards"),
        (["a.toml", "none", "--merge", "--jobs", "2"], "--merge: it does not go with --jobs"),
        (["a.toml", "none", "--merge", "--cluster", "tcp://127.0.0.1:1"], "--merge: it does not go with --cluster"),
        (["a.toml", "--cluster", "tcp://127.0.0.1:1", "--jobs", "2"], "--cluster: it does not go with --jobs"),
        (["a.toml", "--cluster", "tcp://10.0.0.1:8786"], "has no TLS"),
        (["a.toml", "--cluster", "tcp://10.0.0.1:8786", "--shard", "1/2"], "has no TLS"),
        (["a.toml", "--cluster", "none.toml"], "cannot read the configuration none.toml"),
        (["a.toml", "--batch", "0"], "'0' is neither auto nor a whole number from 1"),
        (["a.toml", "--batch", "many"], "'many' is neither auto nor a whole number from 1"),
    ],
)
def test_wrong_use_is_a_sentence_and_exits_2_and_leaves_nothing(arguments, message, call, tmp_path):
    found = call(*arguments, "--out", "run")
    assert found.exit_code == 2
    assert message in " ".join(found.output.replace("│", " ").split())
    assert "Traceback" not in found.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("how", ["begun before", "others are in it", "something is kept", "holds another file"])
def test_what_is_refused_leaves_what_others_have_there(how, call, tmp_path, monkeypatch):
    arguments, run = ["a.toml", "--cluster", "tcp://10.0.0.1:8786", "--shard", "2/2", "--out", "run"], tmp_path / "run"
    others = contextlib.ExitStack()
    if how == "begun before":
        assert call("a.toml", "--shard", "1/2", "--out", "run").exit_code == 0

    def hinder(self, *_):
        if how == "others are in it":
            others.enter_context(contextlib.closing(Lock(run, Share(1, 2))))
        elif how == "something is kept":
            (run / "parts/training-a").mkdir()
        elif how == "holds another file":
            (run / "notes.txt").touch()
        raise ConfigError("refused here.")

    monkeypatch.setattr("recirc.runs.folder_map.FolderMap._workers", hinder)
    with others:
        found = call(*arguments)
    assert found.exit_code == 2
    assert "refused here." in found.output
    assert (run / "notes.txt").exists() if how == "holds another file" else (run / "parts/run.json").exists()


def test_a_gpu_that_is_not_here_is_named_before_anything_is_made(tmp_path):
    (tmp_path / "a.toml").write_text(GOOD)
    command = [sys.executable, "-m", "recirc", "sweep", "a.toml", "--device", "gpu", "--out", "run"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if found.returncode == 0:
        pytest.skip("there is a GPU")
    assert found.returncode == 2
    assert "asks for cuda, a device that is not here; give --device cpu" in found.stderr
    assert not (tmp_path / "run").exists()


def test_an_unwritable_cache_of_compiled_programs_is_said_once_and_the_run_goes_on(call, tmp_path, monkeypatch):
    text = GOOD.replace('kind = "FullForce"\nn_passes = 1', 'kind = "Ridge"\npenalties = [1e-3]')
    (tmp_path / "a.toml").write_text(text)
    assert call("a.toml", "--out", "clean").exit_code == 0
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "recirc", "sweep", "a.toml", "--jobs", "1", "--out", "run"]
    variables = os.environ | {"RECIRC_CACHE": str(tmp_path / "file/cache")}
    found = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stderr.count("compiled programs are not kept") == 1
    assert "give RECIRC_CACHE=FOLDER of another disk" in found.stderr
    assert (tmp_path / "run/table.csv").read_bytes() == (tmp_path / "clean/table.csv").read_bytes()


def test_a_dry_run_says_how_many_how_long_and_how_large_and_leaves_nothing(call, tmp_path, monkeypatch):
    recirc.enable_x64()
    monkeypatch.setenv("RECIRC_TIMED", "")
    monkeypatch.setattr("recirc.runs.environment.environment", lambda: {"RECIRC_TIMED": "as in a worker"})
    found = call("a.toml", "--dry-run", "--jobs", 2, "--out", "run")
    assert found.exit_code == 0, found.output
    assert "4 runs: 4 settings, 1 seed." in found.output
    measured = "with 2 jobs (measured on 1 of them, compiled), within a factor of two, besides starting and compiling"
    assert f"{measured}; the store" in found.output
    assert not (tmp_path / "run").exists()
    assert os.environ["RECIRC_TIMED"] == "as in a worker"
    call("a.toml", "--shard", "1/2", "--out", "run")
    found = call("a.toml", "--dry-run", "--out", "run")
    assert "2 are finished; the rest takes" in found.output
    assert "the mean of 2 finished networks" in found.output


def test_a_sweep_that_is_under_way_has_a_report_which_goes_when_it_ends(call, tmp_path, monkeypatch):
    call("a.toml", "--shard", "1/2", "--out", "run")
    driver = Lock(tmp_path / "run", Share(2, 2))

    def finish(seconds):
        page = (tmp_path / "run/parts/live/report.html").read_text()
        assert "4 runs, 1 seeds of every setting. 2 of them have no numbers" in page
        assert "not finished yet" in page
        driver.close()
        assert call("a.toml", "--shard", "2/2", "--out", "run").exit_code == 0

    monkeypatch.setattr("recirc.cli.files.time.sleep", finish)
    found = CliRunner().invoke(app, ["report", "run", "--live"])
    assert found.exit_code == 0, found.output
    assert "2 pieces of work are finished; see run/parts/live/report.html" in found.output
    assert not (tmp_path / "run/parts").exists()


@pytest.mark.parametrize("share", [Share(), Share(2, 2)])
def test_a_live_report_ends_when_nobody_is_at_work(share, call, tmp_path, monkeypatch):
    """A driver is killed; the system gives its lock back."""
    call("a.toml", "--shard", "1/2", "--out", "run")
    code = "import sys, time\nfrom recirc.runs.locks import *\nfrom pathlib import Path\n"
    code += "lock = Lock(Path('run'), Share(*map(int, sys.argv[1:])))\nprint('ready', flush=True)\ntime.sleep(60)\n"
    command = [sys.executable, "-c", code, str(share.index), str(share.total)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "ready\n"

        def kill(seconds):
            assert driver.poll() is None
            driver.kill()
            driver.wait()

        monkeypatch.setattr("recirc.cli.files.time.sleep", kill)
        found = CliRunner().invoke(app, ["report", "run", "--live"])
    assert found.exit_code == 0, found.output
    first, second, end = found.output.splitlines()
    assert first == second == "2 pieces of work are finished; see run/parts/live/report.html."
    assert end == "Nobody is at work in run: the command that began it goes on from what is there."
    assert call("a.toml", "--shard", "2/2", "--out", "run").exit_code == 0


def test_a_live_report_of_what_is_no_sweep_says_so(call, tmp_path):
    with RunFolder.open(tmp_path / "fit", specification={}) as folder:
        folder.write("config.toml", "n_seeds = 5\n")
    (tmp_path / "none").mkdir()
    for name, sentence in (
        ("fit", "fit holds a run that is no sweep, and only sweeps are reported while they run; when it is finished"),
        ("none", "none holds no sweep that is under way; give the --out of one."),
    ):
        found = CliRunner().invoke(app, ["report", name, "--live"])
        assert found.exit_code == 2
        assert found.output.startswith(f"recirc: {sentence}")


def test_a_sweep_that_ends_while_its_report_is_made_leaves_nothing_of_it(call, tmp_path, monkeypatch):
    call("a.toml", "--shard", "1/2", "--out", "run")
    write_text = live.write_text

    def late(place, words):
        assert call("a.toml", "--shard", "2/2", "--out", "run").exit_code == 0
        write_text(place, words)

    monkeypatch.setattr(live, "write_text", late)
    found = CliRunner().invoke(app, ["report", "run", "--live"])
    assert found.exit_code == 0, found.output
    assert "See run/report.html" in found.output
    assert not (tmp_path / "run/parts").exists()


def test_redacted_folders_name_neither_user_nor_machine_nor_path(call, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["recirc", "sweep", f"{tmp_path}/a.toml", f"--out={tmp_path}/run", "--redact"])
    assert call(tmp_path / "a.toml", "--out", tmp_path / "run", "--redact").exit_code == 0
    text = "".join(path.read_text() for path in (tmp_path / "run").glob("*.*") if path.suffix != ".nc")
    words = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)  # a picture's letters may be anybody's name
    for secret in (str(tmp_path), tmp_path.name, os.uname().nodename):
        assert not re.search(rf"\b{re.escape(secret)}\b", words)
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["argv"] == ["recirc", "sweep", "a.toml", "--out=run", "--redact"]
    assert manifest["redacted"] is True


def test_a_redacted_sweep_of_fits_names_its_recording_without_the_folder(monkeypatch, tmp_path):
    def fitted(path, config, *, seed):
        made = AnalysisResult("fit", (Row("x", "unit", "network", 1.0, condition={"set": "train"}),))
        return Experiment("fit", seed, lambda map: made, lambda result: ReportText(""), str)

    monkeypatch.setattr("recirc.studies.fit.experiment", fitted)
    data = tmp_path / 'a "b" é.nwb'
    data.touch()
    (tmp_path / "a.toml").write_text(f"[base]\nkind = 'Recording'\ndata = '{data}'")
    made = sweep.experiment(sweep.load_sweep(tmp_path / "a.toml"))
    for folder, redact in (("plain", False), ("redacted", True)):
        run(made, tmp_path / folder, redact=redact)
        found = [path.name for path in (tmp_path / folder).glob("*.*") if str(tmp_path) in path.read_text("latin-1")]
        assert sorted(found) == ([] if redact else ["config.toml", "manifest.json", "report.html"])
    assert sweep.load_sweep(tmp_path / "redacted/config.toml").base.data == data.name


def test_shards_of_a_sweep_of_fits_do_not_count_the_networks_of_one_fit(call, monkeypatch, tmp_path):
    def work(piece):
        return Result({}, piece)

    def fitted(path, config, *, seed):
        def analyse(map):
            rows = [
                Row("x", "unit", "network", float(i), condition={"set": "train"})
                for i, _ in enumerate(results(work, [{"i": i} for i in range(4)], map))
            ]
            return AnalysisResult("fit", tuple(rows))

        return Experiment("fit", seed, analyse, lambda result: ReportText(""), str)

    monkeypatch.setattr("recirc.studies.fit.experiment", fitted)
    (tmp_path / "a.nwb").touch()
    (tmp_path / "a.toml").write_text("seeds = [0, 1]\n[base]\nkind = 'Recording'\ndata = 'a.nwb'")
    first = call("a.toml", "--shard", "1/2", "--out", "run")
    assert first.exit_code == 0, first.output
    assert "shard 1 of 2 is finished; some runs are not in" in first.output
    assert "of 4 pieces" not in first.output
    assert call("a.toml", "--shard", "2/2", "--out", "run").exit_code == 0


@pytest.mark.parametrize("name", ["a b é 🧠.toml", "=cmd.toml", "x" * 200 + ".toml"])
def test_odd_names_of_sweeps_work(name, call, tmp_path):
    (tmp_path / name).write_text(GOOD.replace("Small", "<img onerror=alert(1) src=x>"))
    found = call(name, "--out", name.removesuffix(".toml"))
    assert found.exit_code == 0, found.output
    assert "<img onerror" not in (tmp_path / name.removesuffix(".toml") / "report.html").read_text()


def test_how_many_runs_failed_is_said_where_one_looks_first(call, tmp_path):
    (tmp_path / "a.toml").write_text(GOOD.replace("[0.0, 0.1]", "[0.0, 1e300]"))
    found = call("a.toml", "--out", "out")
    assert "2 of 4 runs failed, the first: " in found.output
