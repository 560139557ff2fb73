"""Rows 1 and 21: what failed stays to be read when a run is finished."""

import dataclasses
import getpass
import json
import math
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from inline_engine import use

from recirc.analyses import AnalysisResult, Failure, Result, Row, results
from recirc.runs import Experiment, FinishedError, RunFolder, engine, is_done, provenance, verify
from recirc.runs.experiment import run
from recirc.runs.report import ReportText

WORK = """
import os, signal
from recirc.analyses import Result

def work(piece):
    if piece["name"] == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if piece["name"] == "errs":
        raise ValueError("bad luck")
    return Result({}, {"x": 1.0})
"""


def planted(function, names) -> Experiment:
    """An experiment of a row per name."""

    def analyse(map):
        rows = []
        for piece, result in results(function, [{"name": name} for name in names], map):
            if isinstance(result, Failure):
                rows.append(Row("x", "unit", piece["name"], np.nan, condition={"outcome": result.text}))
            else:
                rows.append(Row("x", "unit", piece["name"], result.metadata["x"]))
        return AnalysisResult("planted", tuple(rows))

    return Experiment("planted", list(names), analyse, lambda result: ReportText("Planted"), str)


def test_tracebacks_and_deaths_stay_in_the_finished_folder(tmp_path, monkeypatch, capsys):
    (tmp_path / "failing.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("RECIRC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(engine, "RETRIES", 0)
    import failing  # pyright: ignore[reportMissingImports]

    run(planted(failing.work, ["good", "errs", "dies"]), tmp_path / "run")
    log = (tmp_path / "run/failures.log").read_text()
    for part in ('failing.work {"name":"errs"}', "Traceback", 'raise ValueError("bad luck")', "ValueError: bad luck"):
        assert part in log
    assert 'failing.work {"name":"dies"}' in log
    assert "killed by signal 9" in log
    assert "good" not in log
    assert f"2 pieces of work failed; {tmp_path / 'run/failures.log'} says why." in capsys.readouterr().err
    assert "is in failures.log of this folder" in (tmp_path / "run/report.html").read_text()
    assert verify(tmp_path / "run") == []
    assert "failures.log" in (tmp_path / "run/DONE").read_text()


def test_where_nothing_failed_there_is_no_log_of_failures(tmp_path, monkeypatch):
    use(monkeypatch)
    run(planted(lambda piece: Result({}, {"x": 1.0}), "ab"), tmp_path / "run")
    assert not (tmp_path / "run/failures.log").exists()
    assert "failures.log" not in (tmp_path / "run/report.html").read_text()


def test_word_of_a_death_is_waited_for(monkeypatch):
    """A scheduler tells of a death before the process that watches the worker says how it died."""
    here = engine.Engine(None, 1, 2.0, log := [])
    monkeypatch.setattr(engine.time, "sleep", lambda seconds: log.append("killed by signal 9"))
    assert here.heard() == ["killed by signal 9"]
    assert here.heard() == ["killed by signal 9"]
    monkeypatch.setattr(engine.time, "sleep", lambda seconds: pytest.fail("those of others are not heard of"))
    assert engine.Engine(None, None, 2.0, []).heard() == []


@pytest.mark.parametrize("redact", [False, True])
def test_a_redacted_log_of_failures_names_neither_user_nor_machine_nor_path(redact, tmp_path, monkeypatch):
    use(monkeypatch)
    data, secrets = tmp_path / "my data/of a subject.nwb", (tmp_path.name, "subfolder", os.uname().nodename)
    data.parent.mkdir()
    data.touch()

    def work(piece):
        where = (
            f"{data} and '/srv/subfolder of mine/b.nc' and subfolder/c.nc, {getpass.getuser()}@{os.uname().nodename}"
        )
        raise ValueError(f"nothing in {where}: 1 / 2")

    run(dataclasses.replace(planted(work, "a"), inputs=[data]), tmp_path / "run", redact=redact)
    log = (tmp_path / "run/failures.log").read_text()
    assert "1 / 2" in log
    if not redact:
        assert all(secret in log for secret in secrets)
        return
    assert "nothing in of a subject.nwb and 'b.nc' and c.nc, …@…: 1 / 2" in log
    assert 'File "test_failures.py"' in log
    for secret in (*secrets, str(Path.home()), str(Path.cwd()), sys.prefix):
        assert secret not in log


@pytest.mark.parametrize("redact", [False, True])
def test_a_redacted_table_says_what_failed_without_places(redact, tmp_path, monkeypatch):
    use(monkeypatch)
    secrets = (tmp_path.name, "subfolder", os.uname().nodename)

    def work(piece):
        raise ValueError(f"{tmp_path}/a b/c.nc and /srv/subfolder/d.nc on {os.uname().nodename}: 3 spikes/s, 1 / 2")

    made = planted(work, "a")

    def analyse(map):
        ((_, failure),) = results(work, ["a"], map)
        where = {"set": "train", "outcome": failure.text}
        rows = (Row("x", "unit", "network", math.nan, condition=where),)
        return AnalysisResult("planted", rows, sentences={"verdict": failure.text}, about={"notes": [failure.text]})

    made = dataclasses.replace(made, analyse=analyse, inputs=[])
    run(made, tmp_path / "run", redact=redact)
    said = json.loads((tmp_path / "run/metrics.json").read_text())["rows"][0]["condition"]["outcome"]
    if not redact:
        assert all(secret in said for secret in secrets)
        return
    assert said == "ValueError: a b/c.nc and d.nc on …: 3 spikes/s, 1 / 2"
    for name in ("report.html", "report.json"):
        text = (tmp_path / "run" / name).read_text()
        assert not any(secret in text for secret in secrets), name


@pytest.fixture
def flaky(tmp_path, monkeypatch):
    """Runs five pieces into `run`, of which those in `bad` fail; and what was called since it was last asked."""
    use(monkeypatch, seconds=0.0)
    bad, calls = set(), []

    def work(piece):
        calls.append(piece["name"])
        if piece["name"] == "c" and "stop" in bad:
            raise KeyboardInterrupt
        if piece["name"] in bad:
            raise OSError("no luck today")
        return Result({}, {"x": float(ord(piece["name"]))})

    def called(*names, folder="run", **how):
        bad.clear()
        bad.update(names)
        calls.clear()
        run(planted(work, "abcde"), tmp_path / folder, **how)
        return list(calls)

    called.calls = calls
    return called


def _results(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("metrics.json", "config.toml", "report.json")]


def test_what_failed_in_a_finished_folder_is_tried_once_more_by_the_same_command(flaky, tmp_path, capsys):
    flaky(folder="clean")
    folder = tmp_path / "run"
    assert flaky("b", "c") == list("abcde")
    assert flaky("c") == ["b", "c"]
    assert "run is finished; what failed is tried once more." in capsys.readouterr().err
    assert verify(folder) == []
    log = (folder / "failures.log").read_text()
    assert '"name":"c"' in log
    assert '"name":"b"' not in log
    before = _results(folder)
    with pytest.raises(KeyboardInterrupt):
        flaky("stop")
    assert _results(folder) == before
    assert verify(folder) == []  # until there is something to write
    assert flaky() == ["c"]
    assert verify(folder) == []
    assert _results(folder) == _results(tmp_path / "clean")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in (tmp_path / "clean").iterdir()
    )
    with pytest.raises(FinishedError):
        flaky()
    assert flaky.calls == []


def test_a_stop_while_results_of_another_try_are_written_loses_nothing(flaky, tmp_path, monkeypatch):
    flaky("c")
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_manifest", lambda *_, **__: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            flaky()
    assert not is_done(tmp_path / "run")
    assert flaky() == []
    assert verify(tmp_path / "run") == []


def test_a_report_made_anew_leaves_what_can_be_tried_once_more(flaky, tmp_path):
    flaky("c")
    with RunFolder.reopen(tmp_path / "run") as folder:
        folder.finish()
    assert flaky() == ["c"]


@pytest.mark.parametrize("why", ["redacted", "another version", "accepted"])
def test_what_cannot_be_tried_once_more_is_finished(why, flaky, tmp_path, monkeypatch):
    flaky("c", redact=why == "redacted")
    if why == "redacted":
        assert not (tmp_path / "run/parts").exists()
    elif why == "accepted":
        shutil.rmtree(tmp_path / "run/parts")
    else:
        monkeypatch.setattr(provenance, "versions", lambda: {"recirc": "0.0.1"})
    with pytest.raises(FinishedError, match="holds this run, finished"):
        flaky()
    assert flaky.calls == []
    assert verify(tmp_path / "run") == []
