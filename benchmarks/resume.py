"""What a sweep takes of which every network is finished: the whole command, in seconds of processor time.

python benchmarks/resume.py [SWEEP.toml] [--folder DIR]

Finished networks of SWEEP.toml (`docs/sweeps/plan.toml` with one seed: 10,000) are planted. The first command reads
them and writes the table, the second finds the folder sealed.
"""

import argparse
import dataclasses
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import timing  # isort: skip, asks for one thread before NumPy is there
import numpy as np

from recirc.analyses import Result, Row
from recirc.analyses.pieces import piece_key
from recirc.runs import RunFolder, dump_config
from recirc.runs.folder_map import name_of
from recirc.runs.worker import packed
from recirc.studies import sweep
from recirc.studies.sweep.design import pieces_of, runs_of
from recirc.studies.sweep.training import train_many


def plant(config, folder: Path) -> int:
    """An unfinished folder in which every network is finished, with made-up numbers."""
    random, made = np.random.default_rng(0), sweep.experiment(config)
    record = {"study": made.study, "preset": made.preset, "specification": made.specification}
    pieces = pieces_of(config, runs_of(config))
    with RunFolder.open(folder, specification=record, inputs=made.inputs) as opened:
        records = {}
        for piece in pieces:
            name = name_of(train_many, piece_key(piece), opened.identity)
            row = Row("output_nmse", "performance", "network", float(random.lognormal(-4)), condition={"set": "train"})
            records[name] = packed(name, Result({}, {"rows": [dataclasses.asdict(row)]}), 2.7)
        opened.pieces.write(records)
    return len(pieces)


def spent(command: list[str]) -> tuple[float, float]:
    """Seconds of processor time and of the clock that a command takes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", help="a sweep of trainings")
    parser.add_argument("--folder", type=Path, help="where it is planted; a temporary folder by default")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        plan = Path(__file__).parents[1] / "docs" / "sweeps" / "plan.toml"
        config = sweep.load_sweep(asked.file or plan)
        config = config if asked.file else dataclasses.replace(config, seeds=(0,))
        folder, file = asked.folder or Path(place) / "out", Path(place) / "sweep.toml"
        file.write_text(dump_config(config))
        n = plant(config, folder)
        print(timing.load())
        for state in ("table unwritten", "sealed"):
            n_files = len([path for path in folder.rglob("*") if path.is_file()])
            cpu, wall = spent([sys.executable, "-m", "recirc", "sweep", str(file), "--jobs", "2", "--out", str(folder)])
            print(f"{n} networks, {state}: {cpu:.2f} s of processor, {wall:.1f} s, {n_files} files")
