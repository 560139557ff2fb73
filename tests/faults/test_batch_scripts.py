"""Rows 1-3 and 24 with the scripts of the pages, run by stand-ins for the programs of a batch system."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from certificates import certificates
from inline_engine import use
from small_sweep import BASE

import recirc
from recirc.runs.experiment import run
from recirc.studies import sweep

SCRIPTS = Path(__file__).parents[2] / "docs/sweeps"
SWEEP = f"""seeds = [0, 1, 2, 3, 4, 5]
{BASE}kind = "Ridge"
penalties = [1e-3]
"""
RECIRC = f'#!/bin/bash\nexec {sys.executable} -m recirc "$@"\n'
DASK = f'#!/bin/bash\nexec {sys.executable} -m dask "$@"\n'
SRUN = '#!/bin/bash\nexec "$@"\n'


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the sweep, and programs before all others on the path."""
    (tmp_path / "bin").mkdir()
    for name, text in {"recirc": RECIRC, "dask": DASK, "srun": SRUN}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "a.toml").write_text(SWEEP)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("RECIRC_CACHE", str(tmp_path / "cache"))
    return tmp_path


def _submit(place: Path, script: str, folder: str, only: int | None = None) -> dict[int, subprocess.Popen]:
    """What `sbatch` does: every task of the array with its variables, all at once; or the one of `--array=ONLY`."""
    found = re.search(r"^#SBATCH --array=(\d+)-(\d+)\b", (SCRIPTS / script).read_text(), re.M)
    tasks = range(int(found[1]), int(found[2]) + 1) if found else range(1, 2)
    cpus = re.search(r"--cpus-per-task=(\d+)", (SCRIPTS / script).read_text())
    assert cpus is not None
    running = {}
    for task in tasks if only is None else [only]:
        names = {"SLURM_ARRAY_TASK_ID": task, "SLURM_CPUS_PER_TASK": 1}
        with open(place / f"log-{task}", "a") as log:
            running[task] = subprocess.Popen(
                ["bash", str(SCRIPTS / script), "a.toml", folder], cwd=place, stdout=log, stderr=log,
                env=os.environ | {name: str(value) for name, value in names.items()},
            )  # fmt: skip
    return running


@pytest.fixture
def table(place, monkeypatch) -> bytes:
    """What one process makes of the sweep."""
    recirc.enable_x64()
    with monkeypatch.context() as patch:
        use(patch)
        run(sweep.experiment(sweep.load_sweep(place / "a.toml")), place / "clean")
    return (place / "clean/table.csv").read_bytes()


@pytest.mark.slow
def test_a_job_array_of_which_a_task_is_killed_and_resubmitted(place, table):
    running = _submit(place, "array.sh", "folder")
    end = time.monotonic() + 120
    while not list(place.glob("folder/parts/lock-2-of-3")):
        assert time.monotonic() < end
        time.sleep(0.05)
    running[2].send_signal(signal.SIGKILL)  # it has hardly begun
    codes = {task: process.wait(200) for task, process in running.items()}
    assert codes == {1: 0, 2: -9, 3: 0}
    logs = [(place / f"log-{task}").read_text() for task in (1, 3)]
    assert not (place / "folder/DONE").exists(), logs
    assert any("2 of 6 pieces are not in" in log for log in logs), logs
    assert _submit(place, "array.sh", "folder", only=2)[2].wait(200) == 0
    assert (place / "folder/DONE").exists()
    assert (place / "folder/table.csv").read_bytes() == table


def _cluster(place: Path) -> None:
    """Certificates, and the file that names them."""
    certificates(place / "keys")
    for name in ("ca", "certificate", "key"):
        (place / "keys" / f"{name}.pem").rename(place / f"{name}.pem")
    lines = {
        "scheduler_file": "scheduler.json",
        "ca_file": "ca.pem",
        "certificate": "certificate.pem",
        "key": "key.pem",
    }
    (place / "cluster.toml").write_text("".join(f'{name} = "{value}"\n' for name, value in lines.items()))


@pytest.mark.slow
def test_scheduler_workers_and_driver_in_one_allocation(place, table):
    _cluster(place)
    (process,) = _submit(place, "cluster.sh", "folder").values()
    assert process.wait(200) == 0, (place / "log-1").read_text()
    assert (place / "folder/table.csv").read_bytes() == table


@pytest.mark.slow
def test_a_signal_before_the_time_of_an_allocation_is_over_reaches_the_driver(place):
    _cluster(place)
    (process,), end = _submit(place, "cluster.sh", "stopped").values(), time.monotonic() + 120
    while not list(place.glob("stopped/parts/lock")):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)  # to the script alone, as `--signal=B:USR1` does
    assert process.wait(200) == 75, (place / "log-1").read_text()
    assert "stopped by SIGUSR1. The same command goes on from what is in stopped" in (place / "log-1").read_text()
