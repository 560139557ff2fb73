"""Rows 1 and 21: what failed stays to be read when a run is finished."""

import dataclasses
import getpass
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from inline_engine import use

from recirc.analyses import AnalysisResult, Failure, Result, Row, results
from recirc.runs import Experiment, engine, verify
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
