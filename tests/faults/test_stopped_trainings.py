"""A signal to a run: trainings in its workers keep their state at the end of the pass, and go on from there."""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np
import pytest
from inline_engine import Inline, use

import recirc
from recirc.analyses import Result, results
from recirc.analyses.pieces import Precision, compute
from recirc.runs import FolderMap, RunFolder, engine
from recirc.runs.progress import Progress
from recirc.runs.worker import _framed, packed, records, run_bundle
from recirc.storage import pack
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
import json, pathlib, sys
import typer
from recirc.cli.running import run_into

def work():
    import slow
    from recirc.analyses import AnalysisResult, results
    from recirc.runs import FolderMap, RunFolder
    pieces = [{"name": "a"}, {"name": "b"}]
    with RunFolder.open("run", specification={}) as folder:
        list(results(slow.train, pieces, FolderMap(folder, **json.loads(sys.argv[1]))))
    return AnalysisResult("slow", ())

if __name__ == "__main__":
    try:
        run_into(work, pathlib.Path("run"))
    except typer.Exit as end:
        sys.exit(end.exit_code)
"""


def _start(folder, *words: str, log: str = "log") -> subprocess.Popen:
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    with open(folder / log, "w") as stream:
        return subprocess.Popen(
            [sys.executable, *words], cwd=folder, env=os.environ | {"PYTHONPATH": paths}, stdout=stream, stderr=stream,
            start_new_session=True,
        )  # fmt: skip


def _await(process: subprocess.Popen, happens: Callable[[], bool]) -> None:
    for _ in range(2400):
        if process.poll() is not None or happens():
            return
        time.sleep(0.05)


def _passes(folder, name: str) -> list[int]:
    place = folder / name
    return [int(word) for word in place.read_text().split()] if place.exists() else []


@contextlib.contextmanager
def _workers(folder) -> Iterator[str]:
    """Address of a scheduler with two workers, all processes of their own."""
    with contextlib.ExitStack() as stack:
        common = ["--scheduler-file", "s.json", "--host", "127.0.0.1", "--no-dashboard"]
        started = [_start(folder, "-m", "dask", "scheduler", *common, "--port", "0", log="s")]
        words = ["-m", "dask", "worker", *common, "--nthreads", "1"]
        for name in "12":
            started.append(_start(folder, *words, "--preload", "recirc.runs.preload", "--no-nanny", log=name))
        for process in started:
            stack.callback(process.wait)
            stack.callback(process.kill)
        _await(started[0], lambda: (folder / "s.json").exists())
        yield json.loads((folder / "s.json").read_text())["address"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_no_pass_of_two_trainings_is_lost_when_a_signal_comes(tmp_path, number, is_elsewhere):
    """To the whole group where workers are the driver's, as a batch system sends it; else to the driver."""
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "driver.py").write_text(DRIVER)
    with _workers(tmp_path) if is_elsewhere else contextlib.nullcontext() as address:
        how = json.dumps({"cluster": address} if is_elsewhere else {"jobs": 2})
        driver = _start(tmp_path, "driver.py", how)
        _await(driver, lambda: min(len(_passes(tmp_path, name)) for name in "ab") > 2)
        os.killpg(driver.pid, number)
        assert driver.wait(120) == 75, (tmp_path / "log").read_text()
        assert "The same command goes on" in (tmp_path / "log").read_text()
        before = {name: _passes(tmp_path, name) for name in "ab"}
        assert all(2 < len(passes) < 45 for passes in before.values())  # in less than ten seconds
        assert len(list((tmp_path / "run/parts").glob("training-*/*.checkpoint"))) == 2
        (tmp_path / "fast").touch()
        assert _start(tmp_path, "driver.py", how).wait(120) == 0, (tmp_path / "log").read_text()
    for name in "ab":
        assert _passes(tmp_path, name) == list(range(300))  # every pass was made once


def double(piece):
    return Result({}, {"x": 2 * piece["i"]})


def _short_training(piece):
    key = jax.random.key(0)
    trials = recirc.tasks.CenterOutReach(movement=0.1, dt=0.005).trials(2, key=key)
    network = recirc.circuits.RateNetwork.random(n_units=8, key=key)

    def stop(index, _):
        stop_trainings(piece["i"] == 1 and index == 2)

    recirc.fit(recirc.train.FullForce(n_passes=4), network, trials, key=key, progress=stop)
    return Result({}, piece)


def test_a_bundle_that_is_stopped_gives_what_is_finished_and_keeps_state_on_its_disk_only(tmp_path, monkeypatch):
    recirc.enable_x64()
    use(monkeypatch)
    (tmp_path / "proof").touch()
    work = functools.partial(compute, Precision(), _short_training)
    pieces = [(f"{i}" * 64, {"i": i}) for i in range(3)]
    for proof, n_finished, n_kept in (("another", 3, 0), ("proof", 1, 1)):
        found = run_bundle({}, work, pieces, str(tmp_path), proof=proof)
        assert [about["metadata"] for _, about in records(found)] == [{"i": i} for i in range(n_finished)]
        assert len(list(tmp_path.glob("training-*/*.checkpoint"))) == n_kept


def test_what_workers_have_finished_when_a_run_is_interrupted_is_kept(tmp_path, monkeypatch):
    recirc.enable_x64()
    use(monkeypatch)
    asked = []

    def stop_trainings(here, running):
        ((future, _),) = running.items()
        return [future()]

    def finished(here, running, progress):
        asked.append(len(running))
        raise KeyboardInterrupt

    monkeypatch.setattr(Inline, "stop_trainings", stop_trainings)
    with RunFolder.open(tmp_path / "run", specification={}) as folder, monkeypatch.context() as patch:
        patch.setattr(Inline, "finished", finished)
        with pytest.raises(KeyboardInterrupt):
            list(results(double, [{"i": 1}, {"i": 2}], FolderMap(folder)))
    with RunFolder.open(tmp_path / "run", specification={}) as folder:
        folder.pieces.refresh()
        assert len(folder.pieces) == len(asked) == 1


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


class _Three(Inline):
    """Workers of which two are refused, when the third has finished its bundle."""

    def workers(self):
        return ["old", "older", "new"]

    def finished(self, running, progress):
        return [(running[0], _framed(pack({}, {"refused": "a worker has recirc 0"})))]

    def stop_trainings(self, running):
        refused, (last, _) = _framed(pack({}, {"refused": "a worker has recirc 0"})), [*running.values()][-1]
        return [refused, _framed(packed(last[0], Result({}, {}), 0.0))]


def test_what_a_worker_finished_is_kept_when_others_are_refused():
    kept, todo = [], {name * 64: ("", {}) for name in "abc"}
    progress = Progress("networks")
    progress.start(3, 0, [""] * 3)
    with pytest.raises(engine.VersionError, match="recirc 0"):
        list(engine.compute(_Three(), dict, todo, progress, kept.extend))
    assert [name for name, *_ in kept] == ["c" * 64]
