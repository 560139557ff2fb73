"""A session of 182 units, 2,000 trials and 1.5 GB of behavior: read, aligned and binned; seconds and memory.

python benchmarks/session.py [FOLDER]
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

N_UNITS, N_TRIALS, SPACING, RATE, HZ, N_MUSCLES = 182, 2000, 3.3, 10.0, 1000, 24


def make(path: Path) -> None:
    """An NWB file of Poisson spikes on a clock of a millisecond, eight directions, hand and raw EMG at 1 kHz."""
    random = np.random.default_rng(0)
    start = 1.0 + SPACING * np.arange(N_TRIALS)
    duration = start[-1] + SPACING
    n_samples = int(duration * HZ)
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        trials = file.create_group("intervals/trials")
        columns = {
            "id": np.arange(N_TRIALS),
            "start_time": start,
            "stop_time": start + 3.0,
            "go_cue_time": np.round(start + random.uniform(1.0, 1.5, N_TRIALS), 3),
            "target_direction": 45.0 * random.integers(0, 8, N_TRIALS),
        }
        columns["move_onset_time"] = np.round(columns["go_cue_time"] + 0.3, 3)
        trials.attrs["colnames"] = np.array(list(columns)[1:], text)
        for name, column in columns.items():
            trials[name] = column
        units = file.create_group("units")
        units.attrs["colnames"] = np.array(["spike_times"], text)
        units["id"] = np.arange(N_UNITS)
        angles = np.repeat(columns["target_direction"], int(SPACING * 1000))
        spikes = []
        for unit in range(N_UNITS):
            rate = RATE * (1 + 0.8 * np.cos(np.deg2rad(angles) - unit)) / 1000
            spikes.append(1.0 + np.flatnonzero(random.random(len(rate)) < rate) / 1000)
        units["spike_times"] = np.concatenate(spikes)
        units["spike_times_index"] = np.cumsum([len(times) for times in spikes])
        for name, n_channels, unit in (("hand_vel", 4, "m/s"), ("emg", N_MUSCLES, "V")):
            group = file.create_group(f"processing/behavior/{name}")
            data = group.create_dataset("data", (n_samples, n_channels), "f8", chunks=(2**14, n_channels))
            for first in range(0, n_samples, 2**18):
                last = min(first + 2**18, n_samples)
                data[first:last] = random.standard_normal((last - first, n_channels))
            data.attrs["unit"], data.attrs["conversion"] = unit, 1.0
            group["starting_time"] = 0.0
            group["starting_time"].attrs["rate"] = float(HZ)


def measure(path: Path) -> None:
    """Print seconds of each step and the peak memory of this process."""
    import jax

    import recirc
    from recirc.data.nwb import read_nwb
    from recirc.data.preprocessing import Preprocessing

    recirc.enable_x64()
    began = time.perf_counter()
    session = read_nwb(path)
    read = time.perf_counter()
    made = Preprocessing(behavior=("hand_vel", "emg")).apply(session, key=jax.random.key(0))
    done = time.perf_counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"read {read - began:.1f} s, prepared {done - read:.1f} s, together {done - began:.1f} s, {memory:.2f} GiB")
    print(f"{made.single_trials.rates.shape} (trial, time, unit); behavior {made.single_trials.outputs.shape}")
    print(*made.averages.notes, sep="\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory(dir=next(iter(sys.argv[1:]), None)) as folder:
            file = Path(folder) / "session.nwb"
            make(file)
            print(f"{file.stat().st_size / 1e9:.2f} GB on disk")
            subprocess.run([sys.executable, __file__, "measure", str(file)], check=True)
