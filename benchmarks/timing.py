"""How the benchmarks take time: in one process, interleaved, several times over.

Importing this module asks for one thread of every library, so it comes before JAX and NumPy.
"""

import os
import time
from collections.abc import Callable

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"):
    os.environ.setdefault(_name, "1")

import numpy as np


def interleaved(arms: dict[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """Run every arm in turn, `repeats` times after one that is not counted.

    Returns:
        For each arm an array (repeat, [processor seconds, wall seconds]). Processor time counts this process alone, so
        that it hardly feels what else the machine does.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
    for repeat in range(repeats + 1):
        for name, run in arms.items():
            began = time.process_time(), time.perf_counter()
            run()
            if repeat:
                taken[name].append((time.process_time() - began[0], time.perf_counter() - began[1]))
    return {name: np.array(rows) for name, rows in taken.items()}


def row(name: str, taken: np.ndarray, note: str = "") -> str:
    """One line: processor and wall time in ms, least and median."""
    cpu, wall = taken.T * 1e3
    return (
        f"{name:<44} cpu {cpu.min():9.1f} / {np.median(cpu):9.1f}   "
        f"wall {wall.min():9.1f} / {np.median(wall):9.1f} ms   {note}"
    )


def load() -> str:
    """How busy the machine is, for the record."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
