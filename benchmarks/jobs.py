"""How much faster two jobs are than one, in one go: the same command twice, each into a new folder.

    python benchmarks/jobs.py [--jobs 2] [WORDS ...]

WORDS are those of `recirc`, "reproduce salatiello2020 --preset quick" if there are none; for a first try
"sweep docs/sweeps/noise_and_size.toml". Start-up is all until the first result is kept: processes, imports,
compilation. The end is what follows the last one: scores, figures, the report. The machine has to be idle.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def timed(words: list[str], jobs: int, place: Path) -> tuple[float, float, float, float]:
    """Seconds from the start to the first result, to the last, and to the end; and of processors, workers included."""
    command, folder = [sys.executable, "-m", "recirc", *words], place / f"jobs{jobs}"
    began, first, last, size = time.perf_counter(), 0.0, 0.0, 0
    with open(place / f"log{jobs}", "w") as log:
        process = subprocess.Popen([*command, "--jobs", str(jobs), "--out", str(folder)], stdout=log, stderr=log)
    pid, used = 0, None
    while not pid:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        now = sum(path.stat().st_size for path in folder.glob("parts/*.segment")) if not pid else size
        if now > size:
            last, size = time.perf_counter() - began, now
            first = first or last
        time.sleep(0.1)
    assert os.waitstatus_to_exitcode(status) == 0, (place / f"log{jobs}").read_text()
    return first, last, time.perf_counter() - began, used.ru_utime + used.ru_stime


def main(words: list[str], several: list[int]) -> None:
    """A line per number of jobs, and what the last gains over the first."""
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; recirc {' '.join(words)}", flush=True)
    found = []
    with tempfile.TemporaryDirectory() as name:
        for jobs in several:
            first, last, end, cpu = timed(words, jobs, Path(name))
            found.append((last - first, end))
            parts = f"start-up {first:.1f} s, work {last - first:.1f} s, end {end - last:.1f} s"
            print(f"{jobs} jobs: {end:.1f} s: {parts}; {cpu:.0f} s of processor", flush=True)
    print(f"{found[0][0] / found[-1][0]:.2f} times as fast between the first result and the last, "
          f"{found[0][1] / found[-1][1]:.2f} times over all")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("words", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    main(asked.words or ["reproduce", "salatiello2020", "--preset", "quick"], [1, asked.jobs])
