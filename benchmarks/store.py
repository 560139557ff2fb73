"""What the machinery costs: pieces of 50 ms through processes, and a finished folder of many pieces opened again.

python benchmarks/store.py [--pieces 1000] [--jobs 2] [--finished 10000]
"""

import argparse
import functools
import tempfile
import time
from pathlib import Path

import timing  # isort: skip, asks for one thread before NumPy is there
import numpy as np

from recirc.analyses import Result, results
from recirc.analyses.pieces import piece_key
from recirc.runs import FolderMap, RunFolder
from recirc.runs.folder_map import name_of
from recirc.runs.worker import packed

SECONDS = 0.05


def wait(seconds: float, piece: dict) -> Result:
    """A piece of work that takes a known time."""
    time.sleep(seconds)
    return Result({"x": np.full(3, float(piece["i"]))}, {"rows": [{"metric": "x", "value": piece["i"]}] * 10})


def machinery(n: int, jobs: int) -> str:
    """Time of `n` pieces beyond the work itself, from the first result to the last."""
    pieces, times = [{"i": i} for i in range(n)], []
    with tempfile.TemporaryDirectory() as place, RunFolder.open(place, specification=n) as folder:
        began = time.perf_counter()
        for _ in results(functools.partial(wait, SECONDS), pieces, FolderMap(folder, jobs=jobs)):
            times.append(time.perf_counter() - began)
    beyond = times[-1] - times[0] - (n - jobs) * SECONDS / jobs
    return (
        f"{n} pieces of {1e3 * SECONDS:.0f} ms, {jobs} jobs: {times[-1]:.1f} s, the first after {times[0]:.1f} s; "
        f"beyond the work {1e3 * beyond * jobs / n:.2f} ms a piece"
    )


def resumed(n: int) -> str:
    """Time to read a finished folder of `n` pieces back, and its files."""
    pieces = [{"i": i, "settings": {"n_units": 300, "noise": 0.01 * i, "kind": "FullForce"}} for i in range(n)]
    with tempfile.TemporaryDirectory() as place:
        with RunFolder.open(place, specification=n) as folder:
            for start in range(0, n, 100):
                records = {}
                for piece in pieces[start : start + 100]:
                    name = name_of(wait, piece_key(piece), folder.identity)
                    records[name] = packed(name, wait(0.0, piece), 1.0)
                folder.pieces.write(records)
        n_files = len([path for path in Path(place).rglob("*") if path.is_file()])
        size = sum(path.stat().st_size for path in Path(place).rglob("*"))
        began = time.perf_counter()
        with RunFolder.open(place, specification=n) as folder:
            assert len(list(results(functools.partial(wait, 0.0), pieces, FolderMap(folder)))) == n
        return f"{n} finished pieces: {n_files} files, {size / 1e6:.1f} MB, read in {time.perf_counter() - began:.2f} s"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--finished", type=int, default=10_000)
    asked = parser.parse_args()
    print(timing.load())
    print(resumed(asked.finished))
    print(machinery(asked.pieces, asked.jobs))
