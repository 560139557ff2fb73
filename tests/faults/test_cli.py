"""Rows 4, 23, 26 and 32 from the command line: one sentence, the right exit code, no traceback."""

import os
import resource
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import recirc
from recirc.analyses import AnalysisResult, Claim
from recirc.cli import app
from recirc.runs import ConfigError, FinishedError, RunFolder
from recirc.storage import StorageError

VERBS = ("reproduce", "fit", "compare", "sweep", "report")


CLAIMS = {
    True: Claim("Hints help.", "here", True, 0.5, (0.2, 0.8), 0.01, 12),
    False: Claim("Noise helps.", "here", False, -0.5, (-0.8, -0.2), 0.9, 12),
    None: Claim("Luck helps.", "here", None),
}


def result_of(*answers):
    return AnalysisResult("planted", (), tuple(CLAIMS[answer] for answer in answers))


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Calls the command line with experiments whose work is replaced by `work`."""

    def call(*arguments, work=lambda *_, **__: result_of(True)):
        making = lambda *given, **named: (given, named)  # noqa: E731
        for place in ("studies.experiment", "studies.fit.experiment", "studies.compare.experiment"):
            monkeypatch.setattr(f"recirc.{place}", making)
        monkeypatch.setattr("recirc.runs.experiment.run", work)
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


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(13, "Permission denied", "a/b.nc"), "cannot use a/b.nc: Permission denied."),
        (OSError(24, "Too many open files"), "the system says: Too many open files."),
    ],
)
def test_what_the_system_refuses_is_one_sentence(error, sentence, call):
    for verb in (("fit", "a.nwb"), ("compare", "a", "b")):
        result = call(*verb, work=_raising(error))
        assert (result.exit_code, result.stderr) == (2, f"recirc: {sentence} Mend that and run the same command.\n")


def test_a_run_ends_with_a_line_per_claim_and_where_the_report_is(call):
    result = call("reproduce", "kao2019", work=lambda *_, **__: result_of(True, False, None))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "supported: Hints help. Effect 0.5 (0.2 to 0.8), n = 12.",
        "contradicted: Noise helps. Effect -0.5 (-0.8 to -0.2), n = 12.",
        "undecided: Luck helps.",
        "See recirc-kao2019-quick.",
    ]


@pytest.mark.parametrize(("answers", "code"), [((True,), 0), ((True, False), 1), ((None,), 1), ((), 0)])
@pytest.mark.parametrize("verb", [("reproduce", "kao2019"), ("fit", "a.nwb"), ("compare", "a.nc", "b.nc")])
def test_required_claims_decide_the_exit_code(call, verb, answers, code):
    work = lambda *_, **__: result_of(*answers)  # noqa: E731
    assert call(*verb, "--require-claims", work=work).exit_code == code
    assert call(*verb, work=work).exit_code == 0


def test_an_interrupt_exits_130(call):
    result = call("reproduce", "kao2019", work=_raising(KeyboardInterrupt()))
    assert result.exit_code == 130
    assert "The same command goes on from what is in recirc-kao2019-quick." in result.stderr


def test_a_finished_folder_says_its_verdict_again_and_another_is_refused(call, tmp_path, monkeypatch):
    monkeypatch.setattr("recirc.runs.report.read_result", lambda folder: result_of(False))
    work = _raising(FinishedError(tmp_path / "a", True))
    result = call("reproduce", "kao2019", work=work)
    assert result.exit_code == 0
    assert result.stdout.startswith("recirc-kao2019-quick is finished")
    assert "contradicted: Noise helps." in result.stdout
    assert call("reproduce", "kao2019", "--require-claims", work=work).exit_code == 1
    assert call("reproduce", "kao2019", work=_raising(FinishedError(tmp_path / "a", False))).exit_code == 2


def test_arguments_reach_the_experiments(call, tmp_path):
    seen = []

    def work(made, folder, *, jobs, argv, redact):
        seen.append((*made, str(folder), jobs))
        return result_of()

    call("reproduce", "kao2019", "--preset", "full", "--seed", 3, "--jobs", 2, work=work)
    call("fit", "ses 1.nwb", "--set", "n_seeds=1", "--set", "dt=0.02", "--recorded-fraction", 0.5, work=work)
    call("compare", "a.nc", "b", "--exchangeable", "--out", tmp_path, work=work)
    call("fit", "x" * 240 + ".nc", work=work)
    assert seen[0] == (("kao2019",), {"preset": "full", "seed": 3}, "recirc-kao2019-full-seed3", 2)
    (data, config), named, folder, jobs = seen[1]
    assert (str(data[0]), config.n_seeds, config.dt, config.recorded_fraction) == ("ses 1.nwb", 1, 0.02, 0.5)
    assert (named, folder, jobs) == ({"seed": 0}, "recirc-fit-ses 1", len(os.sched_getaffinity(0)))
    (*paths, config), named, folder, _ = seen[2]
    assert ([str(path) for path in paths], config.exchangeable, named, folder) == (
        ["a.nc", "b"],
        True,
        {"trials": None},
        str(tmp_path),
    )
    assert len(seen[3][2]) < 200


def test_report_of_what_is_no_run_is_refused(call, tmp_path):
    (tmp_path / "notes.txt").touch()
    result = call("report", tmp_path)
    assert result.exit_code == 2
    assert "is not a run folder" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_report_seals_the_folder_again(call, tmp_path):
    with RunFolder.open(tmp_path / "run", specification={}) as folder:
        folder.write_metrics("planted", "quick", [], [CLAIMS[True]])
        folder.write_manifest([], [0])
        folder.finish()
    result = call("report", tmp_path / "run")
    assert result.exit_code == 0
    assert "supported: Hints help." in result.stdout
    assert recirc.runs.verify(tmp_path / "run") == []
    assert "Hints help." in (tmp_path / "run/report.html").read_text()


def test_absent_device_is_named():
    found = _run("import sys, recirc.cli\nsys.argv = ['recirc', 'report', '.']; recirc.cli.main()", JAX_PLATFORMS="tpu")
    assert found.returncode == 2
    assert "asks for tpu, a device that is not here; give --device cpu" in found.stderr
    assert "Traceback" not in found.stderr
