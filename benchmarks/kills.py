"""SIGKILL of a worker, of the driver, or of both, at random moments of a sweep; then the same command again.

    python benchmarks/kills.py [--kills 20] [--seed 0]

Every time the table has to be the bytes of a clean run.
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


def kill(process: subprocess.Popen, what: str) -> str:
    """Kill and say what was there."""
    found = workers(process.pid)
    if what != "driver" and found:
        os.kill(random.choice(found), signal.SIGKILL)  # noqa: S311
    if what != "worker":
        process.kill()
    return f"{what}, {len(found)} workers there" if process.poll() is None else "too late"


def main(n_kills: int, n_seeds: int) -> None:
    """Clean run first; then one folder per kill."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "a.toml").write_text(SWEEP.format(seeds=list(range(n_seeds))))
        for folder in ("warm", "clean"):  # the first compiles
            began = time.monotonic()
            assert start(place, folder).wait(600) == 0
            taken = time.monotonic() - began
        clean = (place / "clean/table.csv").read_bytes()
        print(f"clean run: {taken:.1f} s, {3 * n_seeds} networks", flush=True)
        for i in range(n_kills):
            process, moment = start(place, f"{i}"), random.uniform(0.1, 0.95) * taken  # noqa: S311
            time.sleep(moment)
            said = kill(process, ("worker", "driver", "both")[i % 3])
            code = process.wait(600)
            if code != 0:
                time.sleep(1.0)  # workers notice that their driver is gone
                assert start(place, f"{i}").wait(600) == 0, (place / "log").read_text()
            same = (place / f"{i}/table.csv").read_bytes() == clean
            print(
                f"{i + 1}: after {moment:.1f} s {said}, exit {code}; table {'identical' if same else 'DIFFERS'}",
                flush=True,
            )
            assert same


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    random.seed(asked.seed)
    main(asked.kills, asked.seeds)
