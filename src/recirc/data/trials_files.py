"""Trials in files: what drives a network, for `recirc compare NETWORK RECORDING --trials FILE`."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import numpy as np

from recirc.data.array_files import read_array_file, write_npz
from recirc.data.safe_open import DataFileError, named
from recirc.types import Trials

NEEDED = ("inputs", "dt", "conditions")
KNOWN = (*NEEDED, "targets", "mask")
EPOCH = "epoch_"
MEND = "save numbers, or a list of text"


def read_trials(path: str | PathLike) -> Trials:
    """Trials from a `.npz`, MATLAB or safetensors file of named arrays.

        inputs        (trial, time, input), what the network is driven with
        dt            seconds per step
        conditions    one label per trial, in safetensors a number; equal labels are repeats
        targets       (trial, time, output), if something is asked of the network
        mask          (trial, time), 1 where targets count
        epoch_NAME    (start, stop) in seconds, one row or one per trial; epoch_movement says when the movement begins

    Args:
        path: the file.

    Raises:
        DataFileError: if the file cannot be read, one of the first three is missing, an array is not known, or
            `Trials` refuses what it holds.

    Example:
        >>> import numpy as np
        >>> np.savez("trials.npz", inputs=np.ones((2, 50, 3)), dt=0.01, conditions=["left", "right"])
        >>> read_trials("trials.npz").conditions
        ('left', 'right')
    """
    path = Path(path)
    arrays = read_array_file(path)
    with named(path):
        if missing := [name for name in NEEDED if arrays.get(name) is None]:
            if missing[0] in arrays:
                raise DataFileError(f"{missing[0]} is None or another Python object, which is never read; {MEND}.")
            have = ", ".join(arrays) or "none"
            raise DataFileError(f"no array is called {missing[0]!r}; there are {have}; {', '.join(NEEDED)} are needed.")
        arrays = {name: value for name, value in arrays.items() if value is not None}
        if strange := [name for name in arrays if name not in KNOWN and not name.startswith(EPOCH)]:
            raise DataFileError(f"it is not known what {strange[0]!r} is; known are {', '.join(KNOWN)}, {EPOCH}NAME.")
        _check_numbers({name: np.asarray(value) for name, value in arrays.items() if name != "conditions"})
        inputs = np.asarray(arrays["inputs"])
        targets = arrays.get("targets", np.zeros((*inputs.shape[:2], 0)))
        epochs = {name.removeprefix(EPOCH): value for name, value in arrays.items() if name.startswith(EPOCH)}
        conditions = np.ravel(arrays["conditions"]).tolist()
        dt = float(np.ravel(arrays["dt"])[0])
    with named(path, DataFileError):
        return Trials(inputs, targets, dt=dt, conditions=conditions, mask=arrays.get("mask"), epochs=epochs)


def _check_numbers(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise DataFileError unless all but the labels are numbers, dt is one, and epochs are pairs of times."""
    n_trials = len(arrays["inputs"]) if arrays["inputs"].ndim else 0
    for name, value in arrays.items():
        if value.dtype.kind not in "biuf":
            raise DataFileError(f"{name} holds {value.dtype}; give numbers.")
        if name.startswith(EPOCH) and value.shape not in ((2,), (1, 2), (n_trials, 2)):
            raise DataFileError(f"{name} has shape {value.shape}; give start and stop in seconds, once or per trial.")
    if arrays["dt"].size != 1:
        raise DataFileError(f"dt has shape {arrays['dt'].shape}; give one number, seconds per step.")


def write_trials(trials: Trials, path: str | PathLike) -> None:
    """Write trials into a `.npz` file that `read_trials` gives back; hints are not kept.

    Raises:
        StorageError: if it cannot be written; an older file is then untouched.

    Example:
        >>> trials = recirc.tasks.CenterOutReach().trials(8, key=jax.random.key(0))
        >>> write_trials(trials, "trials.npz")
        >>> recirc.data.read_trials("trials.npz").n_trials
        8
    """
    arrays = {name: np.asarray(getattr(trials, name)) for name in KNOWN}
    write_npz(Path(path), arrays | {f"{EPOCH}{name}": span for name, span in trials.epochs.items()})
