"""A signal to a run: trainings in its workers keep their state at the end of the pass, and go on from there."""

import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import recirc
from recirc.train import checkpoint_folder
from recirc.train.checkpoint_folder import TrainingStopped, checkpoints_in, stop_trainings

SLOW = """
import pathlib, time
import numpy as np
from recirc.analyses import Result, specification_key

def train(piece):
    import recirc
    key, seconds = specification_key(piece), 0.0 if pathlib.Path("fast").exists() else 0.2
    trials = recirc.tasks.CenterOutReach(movement=0.1, dt=0.005).trials(2, key=key)
    network = recirc.circuits.RateNetwork.random(n_units=10, key=key)

    def log(index, _):
        with open(piece["name"], "a") as file:
            file.write(f"{index}\\n")
        time.sleep(seconds)

    found = recirc.fit(recirc.train.FullForce(n_passes=300), network, trials, key=key, progress=log)
    return Result({"x": np.asarray(found.network.readout).ravel()})
"""

DRIVER = """
import pathlib, sys
import typer
from recirc.cli.running import run_into

def work():
    import slow
    from recirc.analyses import AnalysisResult, results
    from recirc.runs import FolderMap, RunFolder
    pieces = [{"name": "a"}, {"name": "b"}]
    with RunFolder.open("run", specification={}) as folder:
        list(results(slow.train, pieces, FolderMap(folder, jobs=2)))
    return AnalysisResult("slow", ())

if __name__ == "__main__":
    try:
        run_into(work, pathlib.Path("run"))
    except typer.Exit as end:
        sys.exit(end.exit_code)
"""


def _start(folder) -> subprocess.Popen:
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    with open(folder / "log", "w") as log:
        return subprocess.Popen(
            [sys.executable, "driver.py"], cwd=folder, env=os.environ | {"PYTHONPATH": paths}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def _passes(folder, name: str) -> list[int]:
    place = folder / name
    return [int(word) for word in place.read_text().split()] if place.exists() else []


@pytest.mark.slow
def test_no_pass_of_two_jobs_is_lost_when_a_signal_comes_to_the_whole_group(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "driver.py").write_text(DRIVER)
    driver = _start(tmp_path)
    for _ in range(2400):
        if driver.poll() is not None or min(len(_passes(tmp_path, name)) for name in "ab") > 2:
            break
        time.sleep(0.05)
    os.killpg(driver.pid, signal.SIGTERM)  # as a batch system does
    assert driver.wait(120) == 75, (tmp_path / "log").read_text()
    assert "The same command goes on" in (tmp_path / "log").read_text()
    before = {name: _passes(tmp_path, name) for name in "ab"}
    assert all(2 < len(passes) < 45 for passes in before.values())  # in less than ten seconds
    assert len(list((tmp_path / "run/parts").glob("training-*/*.checkpoint"))) == 2
    (tmp_path / "fast").touch()
    assert _start(tmp_path).wait(120) == 0, (tmp_path / "log").read_text()
    for name in "ab":
        assert _passes(tmp_path, name) == list(range(300))  # every pass was made once


def test_a_training_that_is_asked_to_stop_keeps_its_state_and_another_does_not_begin_so(tmp_path):
    recirc.enable_x64()
    key = jax.random.key(0)
    trials = recirc.tasks.CenterOutReach(movement=0.1, dt=0.005).trials(2, key=key)
    network = recirc.circuits.RateNetwork.random(n_units=8, key=key)
    trainer, made = recirc.train.FullForce(n_passes=6), []

    def stop(index, _):
        made.append(index)
        if len(made) == 3:
            assert stop_trainings()

    clean = recirc.fit(trainer, network, trials, key=key)
    with checkpoints_in(tmp_path):
        with pytest.raises(TrainingStopped):
            recirc.fit(trainer, network, trials, key=key, progress=stop)
        assert not stop_trainings(False)
        again = recirc.fit(trainer, network, trials, key=key, progress=stop)
    assert made == list(range(6))
    np.testing.assert_array_equal(again.network.recurrent, clean.network.recurrent)
    assert checkpoint_folder._Asked.under_way == 0
