"""SIGKILL of a worker, of the driver, or of both, at random moments of a sweep; then the same command again.

    python benchmarks/kills.py [--kills 20] [--seeds 60] [--seed 0]

Moments are uniform from the start of the first worker (or of the driver, where that alone is killed) to the end of a
clean run. One that comes when there is nothing left to kill does not count and is drawn again. Every time the table has
to be the bytes of the clean run.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SWEEP = """
seeds = {seeds}
[base]
n_trials = 4
[base.task]
kind = "CenterOutReach"
movement = 0.1
dt = 0.005
[base.circuit]
n_units = 30
[base.trainer]
kind = "FullForce"
n_passes = 10
[[axes]]
field = "trainer.noise"
values = [0.0, 0.05, 0.1]
"""


def start(place: Path, folder: str) -> subprocess.Popen:
    """The sweep with two workers, in a session of its own."""
    command = [sys.executable, "-m", "recirc", "sweep", "a.toml", "--jobs", "2", "--out", folder]
    with open(place / "log", "a") as log:
        return subprocess.Popen(command, cwd=place, stdout=log, stderr=log, start_new_session=True)


def workers(session: int) -> list[int]:
    """Processes of the session that compute: those that Dask has spawned."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "-s", str(session)], capture_output=True, text=True, check=False)
    lines = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, words in lines if "spawn_main" in words]


def killed(place: Path, folder: str, what: str, span: float) -> tuple[str, int] | None:
    """Start the sweep, kill at a random moment, and say when and the exit code; None if there was nothing to kill."""
    process, began = start(place, folder), time.monotonic()
    while what != "driver" and process.poll() is None and not workers(process.pid):
        time.sleep(0.05)
    time.sleep(random.uniform(0.0, span))  # noqa: S311
    found, moment = workers(process.pid), time.monotonic() - began
    if process.poll() is not None or (what != "driver" and not found):
        process.wait(600)
        return None
    if what != "driver":
        os.kill(random.choice(found), signal.SIGKILL)  # noqa: S311
    if what != "worker":
        process.kill()
    return f"{what} after {moment:.1f} s, {len(found)} workers there", process.wait(600)


def main(n_kills: int, n_seeds: int) -> None:
    """Clean run first; then one folder per kill."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "a.toml").write_text(SWEEP.format(seeds=list(range(n_seeds))))
        for folder in ("warm", "clean"):  # the first compiles
            began, process, first = time.monotonic(), start(place, folder), 0.0
            while process.poll() is None:
                first = first or (time.monotonic() - began if workers(process.pid) else 0.0)
                time.sleep(0.05)
            assert process.wait() == 0, (place / "log").read_text()
            taken = time.monotonic() - began
        clean, tries = (place / "clean/table.csv").read_bytes(), 0
        print(f"clean run: {taken:.1f} s, workers after {first:.1f} s, {3 * n_seeds} networks", flush=True)
        for i in range(n_kills):
            what, hit = ("worker", "driver", "both")[i % 3], None
            while hit is None:
                tries += 1
                hit = killed(place, f"{tries}", what, taken if what == "driver" else taken - first)
            said, code = hit
            if code != 0:
                time.sleep(1.0)  # workers notice that their driver is gone
                assert start(place, f"{tries}").wait(600) == 0, (place / "log").read_text()
            same = (place / f"{tries}/table.csv").read_bytes() == clean
            print(f"{i + 1}: {said}, exit {code}; table {'identical' if same else 'DIFFERS'}", flush=True)
            assert same
        print(f"{n_kills} kills, {tries - n_kills} moments drawn again")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    random.seed(asked.seed)
    main(asked.kills, asked.seeds)
