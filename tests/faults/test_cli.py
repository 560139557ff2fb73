"""Rows 4, 23, 26 and 32 from the command line: one sentence, the right exit code, no traceback."""

import os
import resource
import subprocess
import sys
import types

import pytest
from typer.testing import CliRunner

import recirc
from recirc.cli import app
from recirc.runs import ConfigError, FinishedError, RunFolder, StorageError

VERBS = ("reproduce", "fit", "compare", "report")


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Calls the command line with studies that are replaced by `work`."""

    def call(*arguments, work=lambda *a, **k: True):
        study = types.SimpleNamespace(run=work)
        fakes = types.SimpleNamespace(
            run=work, fit_recording=study, compare_activities=study, drawer=lambda name: lambda _: name
        )
        monkeypatch.setattr(recirc, "studies", fakes, raising=False)
        monkeypatch.setitem(sys.modules, "recirc.studies", fakes)
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recirc.runs.environment.environment", dict)
    monkeypatch.setattr("recirc.runs.environment.keep_compiled_programs", lambda: None)
    return call


def _raising(error):
    def work(*_, **__):
        raise error

    return work


def _run(code: str, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_an_example_of_every_verb(verb, call):
    result = call(verb, "--help")
    assert result.exit_code == 0
    assert f"Example: recirc {verb} " in result.stdout


def test_help_and_import_are_quick_and_light():
    heavy = {"jax", "numpy", "scipy", "matplotlib", "dask", "distributed", "xarray", "sklearn", "equinox"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = (
        f"import sys, recirc.cli\nassert not {heavy} & set(sys.modules)\n"
        "sys.argv = ['recirc', '--help']\nrecirc.cli.main()"
    )
    found = _run(code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert found.returncode == 0, found.stderr
    assert all(verb in found.stdout for verb in VERBS)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_importing_runs_leaves_threads_to_be_set():
    found = _run("import sys, recirc.runs\nassert not {'numpy', 'jax', 'xarray', 'dask'} & set(sys.modules)")
    assert found.returncode == 0, found.stderr


def test_version_from_the_module():
    found = subprocess.run([sys.executable, "-m", "recirc", "--version"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, f"recirc {recirc.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit"],
        ["nope"],
        ["reproduce", "kao2019", "--preset", "tiny"],
        ["reproduce", "kao2019", "--jobs", "0"],
        ["fit", "a.nwb", "--recorded-fraction", "2"],
    ],
)
def test_wrong_use_exits_2(arguments, call):
    result = call(*arguments)
    assert result.exit_code == 2
    assert "Error" in result.stderr


@pytest.mark.parametrize("error", [ConfigError("a.toml, line 3: bad."), ValueError("bad."), StorageError("bad.")])
def test_what_the_user_can_mend_is_one_sentence(error, call, monkeypatch):
    result = call("fit", "a.nwb", work=_raising(error))
    assert (result.exit_code, result.stderr) == (2, f"recirc: {error}\n")
    monkeypatch.setenv("RECIRC_DEBUG", "1")
    assert call("fit", "a.nwb", work=_raising(error)).exception is error


def test_a_failed_claim_exits_1_and_an_interrupt_130(call):
    assert call("reproduce", "kao2019", work=lambda *_, **__: False).exit_code == 1
    result = call("reproduce", "kao2019", work=_raising(KeyboardInterrupt()))
    assert result.exit_code == 130
    assert "The same command goes on from what is in recirc-kao2019-quick." in result.stderr


def test_a_finished_folder_is_pointed_to_and_another_is_refused(call, tmp_path):
    result = call("reproduce", "kao2019", work=_raising(FinishedError(tmp_path / "a", True)))
    assert result.exit_code == 0
    assert "recirc-kao2019-quick/report.html" in result.stdout.replace("\\", "/")
    assert call("reproduce", "kao2019", work=_raising(FinishedError(tmp_path / "a", False))).exit_code == 2


def test_arguments_reach_the_studies(call, tmp_path):
    seen = []

    def work(*positional, **named):
        seen.append([str(value) for value in positional] + [str(value) for value in named.values()])
        return True

    call("reproduce", "kao2019", "--preset", "full", "--seed", 3, "--jobs", 2, work=work)
    call("fit", "ses 1.nwb", "--set", "a.b=1", "--set", "c=d", "--recorded-fraction", 0.5, work=work)
    call("compare", "a.nc", "b", "--out", tmp_path, work=work)
    call("fit", "x" * 240 + ".nc", work=work)
    assert seen[0] == ["kao2019", "full", "3", "2", "recirc-kao2019-full-seed3"]
    assert seen[1] == ["ses 1.nwb", "None", "('a.b=1', 'c=d')", "0.5", "1", "0", "recirc-fit-ses 1"]
    assert seen[2] == ["a.nc", "b", str(tmp_path)]
    assert len(seen[3][-1]) < 200


def test_report_of_what_is_no_run_is_refused(call, tmp_path):
    (tmp_path / "notes.txt").touch()
    result = call("report", tmp_path)
    assert result.exit_code == 2
    assert "is not a run folder" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_report_seals_the_folder_again(call, tmp_path, monkeypatch):
    with RunFolder.open(tmp_path / "run", specification={}) as folder:
        folder.write_metrics("planted", "quick", [])
        folder.write_manifest([], [0])
        folder.finish()
    built = types.SimpleNamespace(build=lambda folder, draw: folder.write("report.html", draw(folder)))
    monkeypatch.setitem(sys.modules, "recirc.runs.report", built)
    assert call("report", tmp_path / "run").exit_code == 0
    assert recirc.runs.verify(tmp_path / "run") == []
    assert (tmp_path / "run/report.html").read_text() == "planted"


def test_absent_device_is_named():
    found = _run("import sys, recirc.cli\nsys.argv = ['recirc', 'report', '.']; recirc.cli.main()", JAX_PLATFORMS="tpu")
    assert found.returncode == 2
    assert "JAX_PLATFORMS=tpu asks for a device that is not here" in found.stderr
    assert "Traceback" not in found.stderr
