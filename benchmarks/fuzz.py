"""Thousands of damaged and hostile recordings, each of which must be read or refused with a sentence.

    python benchmarks/fuzz.py [n_files] [first]

Small files of every format are mutated: bytes changed, parts cut off, swapped, zeroed or doubled, links to another
file planted. A worker reads each, with all of its series; the driver watches it, and starts it again when it ends or
hangs. Whatever is not read or refused by a ValueError counts as a failure, and so does one number of the other file
among what was read.
"""

import collections
import json
import select
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import scipy.io

HANG_S = 60
SECRET = 31_415.926_5


def write_nwb(path: Path) -> None:
    """A session of 3 units, 4 trials and 2 series in the layout of NWB 2."""
    random = np.random.default_rng(0)
    counts = [30, 0, 50]
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        for name, text in (("identifier", "made up"), ("general/subject/subject_id", "nobody")):
            file[name] = text
        units = file.create_group("units")
        units.attrs["colnames"] = np.array(["heldout", "quality", "spike_times"], object)
        units["id"] = np.arange(3)
        units["spike_times"] = np.concatenate([np.sort(random.uniform(0, 8, n)) for n in counts])
        units["spike_times_index"] = np.cumsum(counts).astype("u1")
        units["obs_intervals"] = np.tile([[0.0, 8.0]], (3, 1))
        units["obs_intervals_index"] = np.arange(1, 4)
        units["heldout"] = np.array([True, False, False])
        units["quality"] = np.array(["good", "fair", "good"], object)
        trials = file.create_group("intervals/trials")
        trials["id"] = np.arange(4)
        trials["start_time"], trials["stop_time"] = np.arange(4) * 2.0, np.arange(4) * 2.0 + 1.5
        trials["go_cue_time"] = np.arange(4) * 2.0 + 0.5
        trials["direction"] = np.array(["left", "right", "left", "right"], object)
        trials["target_pos"], trials["target_pos_index"] = random.normal(size=(6, 2)), np.array([1, 3, 4, 6])
        position = file.create_group("processing/behavior/Position/hand_pos")
        position.attrs["neurodata_type"] = "SpatialSeries"
        position.create_dataset("data", data=random.normal(size=(800, 2)), chunks=(100, 2), compression="gzip")
        position["data"].attrs.update({"unit": "m", "conversion": 0.01, "offset": 1.0})
        position["timestamps"] = np.arange(800) * 0.01
        muscle = file.create_group("acquisition/emg")
        muscle["data"] = random.integers(-99, 99, 400).astype("i2")
        muscle["data"].attrs.update({"unit": "V", "conversion": 1e-6})
        muscle["starting_time"] = 0.5
        muscle["starting_time"].attrs["rate"] = 50.0
        position["electrodes"] = np.array([file["units"].ref, file["acquisition"].ref], h5py.ref_dtype)


def trial_structs(n_trials: int = 3, n_units: int = 2, bin_size: float = 0.01) -> np.ndarray:
    """Single trials as MATLAB keeps them, for `scipy.io.savemat`."""
    random = np.random.default_rng(1)
    fields = ("trial_id", "result", "bin_size", "idx_go_cue", "target_direction", "M1_spikes", "vel")
    rows = np.empty(n_trials, [(name, object) for name in fields])
    for i in range(n_trials):
        spikes = random.poisson(0.3, (20 + i, n_units)).astype(float)
        values = i + 1.0, "R", bin_size, 5.0 + i, i * np.pi / 4, spikes, random.normal(size=(20 + i, 2))
        for name, value in zip(fields, values):
            rows[name][i] = value
    return rows


def averages(n_conditions: int = 3) -> np.ndarray:
    """Averages by condition as MATLAB keeps them, for `scipy.io.savemat`."""
    random = np.random.default_rng(2)
    rows = np.empty(n_conditions, [("A", object), ("times", object)])
    for i in range(n_conditions):
        rows["A"][i], rows["times"][i] = random.uniform(0, 30, (15, 4)), np.arange(-50.0, 100, 10)[:, None]
    return rows


def write_matlab73(path: Path, name: str, rows: np.ndarray) -> None:
    """A struct array as MATLAB 7.3 stores it: references to transposed arrays under #refs#."""
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for field in rows.dtype.names:
            references = []
            for i, value in enumerate(rows[field]):
                is_text = isinstance(value, str)
                codes = np.array([list(map(ord, value))], "u2") if is_text else np.atleast_2d(np.asarray(value, float))
                item = file.create_dataset(f"#refs#/{field}_{i}", data=codes.T)
                item.attrs["MATLAB_class"] = np.bytes_("char" if is_text else "double")
                references.append([item.ref])
            group.create_dataset(field, data=np.array(references, h5py.ref_dtype))
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def write_samples(folder: Path) -> list[Path]:
    """One small file of every format; the NumPy archive lies beside the TOML file that describes it."""
    import recirc

    write_nwb(folder / "session.nwb")
    scipy.io.savemat(folder / "trials.mat", {"trial_data": trial_structs()})
    scipy.io.savemat(folder / "averages.mat", {"Data": averages()}, do_compression=True)
    write_matlab73(folder / "trials73.mat", "trial_data", trial_structs())
    rates = np.random.default_rng(3).uniform(1, 30, (3, 12, 4))
    activity = recirc.Activity(rates, dt=0.01, conditions=["0", "90", "180"], outputs=rates[:, :, :2])
    recirc.data.write_netcdf(activity, folder / "reach.nc")
    np.savez_compressed(folder / "rates.npz", rates=rates, names=np.array(list("abcd")))
    (folder / "rates.toml").write_text(
        'file = "rates.npz"\narray = "rates"\naxes = ["condition", "time", "unit"]\ndt = 0.01\nunits = "spikes/s"\n'
        'unit_names = "names"\n'
    )
    with h5py.File(folder / "secret.h5", "w") as file:
        file["secret"] = np.full(800, SECRET)
    names = ("session.nwb", "trials.mat", "averages.mat", "trials73.mat", "reach.nc", "rates.npz")
    return [folder / name for name in names]


def damage(content: bytes, random: np.random.Generator) -> bytes:
    """One of six kinds of damage, at random places."""
    content, size = bytearray(content), len(content)
    kind = random.choice(6, p=[0.1, 0.1, 0.1, 0.1, 0.1, 0.5])
    start, other = (int(at) for at in random.integers(0, size, 2))
    length = int(random.integers(1, min(2048, size) + 1))
    if kind == 0:
        for at in random.integers(0, size, random.integers(1, 20)):
            content[at] = random.integers(256)
    elif kind == 1:
        del content[start:]
    elif kind == 2:
        block = content[start : start + length]
        content[start : start + length] = content[other : other + len(block)]
        content[other : other + len(block)] = block
    elif kind == 3:
        content[start : start + length] = bytes(len(content[start : start + length]))
    elif kind == 4:
        content[start:start] = content[other : other + length]
    else:  # the least there can be: what is most often read as if nothing were wrong
        content[start] = (content[start] + int(random.choice([1, 128, 255]))) % 256
    return bytes(content)


def plant(path: Path, random: np.random.Generator) -> bool:
    """Replace one entry of an HDF5 file by a way into the file secret.h5; whether there was one to replace."""
    secret = path.parent / "secret.h5"
    with h5py.File(path, "r+") as file:
        entries: list[str] = []
        file.visititems(lambda name, item: entries.append(name) if isinstance(item, h5py.Dataset) else None)
        name = entries[random.integers(len(entries))]
        shape = file[name].shape or (1,)
        attributes = dict(file[name].attrs) if "units" in file[name].attrs else {}
        del file[name]
        kind = random.integers(4)
        if kind == 0:
            file[name] = h5py.ExternalLink(str(secret), "/secret")
        elif kind == 1:
            layout = h5py.VirtualLayout((800,), float)
            layout[:] = h5py.VirtualSource(str(secret), "secret", (800,))
            file.create_virtual_dataset(name, layout)
        elif kind == 2:
            file.create_dataset(name, shape, "f8", external=[(str(secret), 2048, h5py.h5f.UNLIMITED)])
        else:
            file[name] = h5py.SoftLink("/planted/secret")
            file["planted"] = h5py.ExternalLink(str(secret), "/")
        if kind in (1, 2):
            file[name].attrs.update({key: value for key, value in attributes.items() if isinstance(value, str)})
    return True


def make(number: int, samples: list[Path], folder: Path) -> tuple[Path, bool]:
    """Mutant of this number, and whether it must be refused."""
    random = np.random.default_rng(number)
    sample = samples[number % len(samples)]
    path = folder / sample.name
    content = sample.read_bytes()
    is_hdf5 = b"\x89HDF" in content[:1024]
    path.unlink(missing_ok=True)
    if is_hdf5 and random.uniform() < 0.1:
        path.write_bytes(content)
        plant(path, random)
        return path, True
    for _ in range(random.choice([1, 2, 4], p=[0.7, 0.2, 0.1])):
        content = damage(content, random) or b"\x00"
    path.write_bytes(content)
    return path, False


def read(path: Path) -> str:
    """What becomes of a file."""
    from recirc.data import Session, read_recording

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read_recording(path.with_suffix(".toml") if path.suffix == ".npz" else path)
            arrays = [np.asarray(found.rates)] if not isinstance(found, Session) else [*found.spikes]
            if isinstance(found, Session):
                arrays += [column for column in found.trials.values() if column.dtype.kind == "f"]
                arrays += [series.values[:] for series in found.series.values()]
    except ValueError as error:
        if "of processor time" in str(error):
            return "refused: too slow"
        if "crashed" in str(error):
            return "refused: crashed the process that looks"
        return f"refused: {type(error).__name__}"
    except BaseException as error:
        return f"FAILED: {type(error).__name__}: {error}"
    return "FAILED: read the other file" if any((array == SECRET).any() for array in arrays) else "read"


def work(first: int, last: int) -> None:
    """Read mutants, one line of JSON each; a number alone says which is about to be read."""
    from recirc.data import safe_open

    sys.modules[safe_open.__module__].SECONDS = 3.0  # not to wait long for those that hang
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "mutants").mkdir()
        samples = write_samples(Path(name))
        (Path(name) / "mutants" / "rates.toml").write_text((Path(name) / "rates.toml").read_text())
        (Path(name) / "mutants" / "secret.h5").write_bytes((Path(name) / "secret.h5").read_bytes())
        for number in range(first, last):
            path, must_refuse = make(number, samples, Path(name) / "mutants")
            print(number, flush=True)
            outcome = read(path)
            if must_refuse and outcome == "read":
                outcome = "FAILED: a planted way out was not refused"
            print(json.dumps([number, path.suffix, outcome]), flush=True)


def fuzz(n_files: int, first: int = 0) -> tuple[collections.Counter, list[str]]:
    """Outcomes by format, and the failures."""
    counts: collections.Counter = collections.Counter()
    failures: list[str] = []
    number, last = first, first + n_files
    while number < last:
        worker = subprocess.Popen([sys.executable, __file__, "--work", str(number), str(last)], stdout=subprocess.PIPE)
        while select.select([worker.stdout], [], [], HANG_S)[0] and (line := worker.stdout.readline()):
            said = json.loads(line)
            if isinstance(said, int):
                number = said
                continue
            number, suffix, outcome = said
            counts[suffix, outcome.partition(": ")[0] if outcome.startswith("FAILED") else outcome] += 1
            if outcome.startswith("FAILED"):
                failures.append(f"{number} ({suffix}): {outcome}")
            number += 1
        worker.kill()
        if number < last:
            failures.append(f"{number}: the process that read it ended ({worker.wait()}) or hung")
            number += 1
        worker.wait()
        worker.stdout.close()
    return counts, failures


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(int(sys.argv[2]), int(sys.argv[3]))
    else:
        began = time.perf_counter()
        counts, failures = fuzz(int(sys.argv[1]) if sys.argv[1:] else 10_000, *map(int, sys.argv[2:3]))
        for (suffix, outcome), count in sorted(counts.items()):
            print(f"{suffix:6} {outcome:40} {count}")
        print(f"{sum(counts.values())} files in {time.perf_counter() - began:.0f} s; {len(failures)} failures")
        print("\n".join(failures[:50]))
        sys.exit(bool(failures))
