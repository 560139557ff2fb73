"""Row 2 for networks that are trained many at once: SIGKILL in the middle of a batch, and the same command again."""

import os
import signal
import subprocess
import sys
import time

import pytest
from small_sweep import BASE

from recirc.runs.segments import Segments

# Of Bptt, in 32 bits, a batch of another size has other bits, so that one made up anew of what is left would show.
SWEEP = f"""seeds = {list(range(12))}
keep = ["weights"]
{BASE}kind = "Bptt"
n_passes = 400
""".replace("n_units = 8", "n_units = 30")


def _start(place, folder: str, jobs: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "recirc", "sweep", "a.toml", "--batch", "4", "--jobs", jobs, "--out", folder]
    with open(place / "log", "w") as log:
        return subprocess.Popen(command, cwd=place, stdout=log, stderr=log, start_new_session=True)


def _finished(folder) -> int:
    store = Segments(folder / "parts")
    store.refresh(alone=False)
    return len(store)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_sweep_of_batches_that_is_killed_goes_on_to_the_bytes_of_a_clean_run(tmp_path, monkeypatch, jobs):
    monkeypatch.setenv("RECIRC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.toml").write_text(SWEEP)
    assert _start(tmp_path, "clean", "1").wait(200) == 0, (tmp_path / "log").read_text()
    driver, end = _start(tmp_path, "run", jobs), time.monotonic() + 200
    while driver.poll() is None and not _finished(tmp_path / "run"):
        assert time.monotonic() < end
        time.sleep(0.02)
    os.killpg(driver.pid, signal.SIGKILL)  # with its workers, which are at other batches
    assert driver.wait(60) == -signal.SIGKILL
    assert (n_before := _finished(tmp_path / "run")) in (4, 8)  # whole batches
    assert _start(tmp_path, "run", jobs).wait(200) == 0, (tmp_path / "log").read_text()
    assert f"{n_before} of 12 networks were finished before; going on with" in (tmp_path / "log").read_text()
    for name in ("table.csv", "table.nc", "networks.nc", "metrics.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "clean" / name).read_bytes()
