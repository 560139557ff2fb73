"""Firing rates in NumPy files, described by a TOML file beside them."""

import difflib
import tomllib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from recirc.data.safe_open import DataFileError, load_numpy, reading
from recirc.data.screening import averaged_activity
from recirc.labelled import is_plausible
from recirc.types import Activity

REQUIRED = {"file": str, "axes": list, "dt": (int, float), "units": str}
NAMES = (list, str)
KEYS = REQUIRED | {"array": str, "start": (int, float), "conditions": NAMES, "unit_names": NAMES, "outputs": str}
AXES = ("condition", "time", "unit")
RATES = ("spikes/s", "hz", "1/s")
COUNTS = ("counts", "spikes/bin")
MAX_TOML_BYTES = 2**20


def read_numpy(path: str | PathLike, *, max_ratio: float = 200.0) -> Activity:
    """Activity from a .npy or .npz file of rates and a TOML file that says what its axes are.

        file = "rates.npz"                      # in the same folder
        array = "rates"                         # which array of a .npz with several
        axes = ["condition", "time", "unit"]    # in the order of the array; "trial" does for "condition"
        dt = 0.01                               # seconds
        start = -0.3                            # start of the first bin, seconds; 0 if left out
        units = "spikes/s"                      # or "counts", which are divided by dt
        conditions = ["0", "45", "90"]          # or the name of an array; "1", "2", ... if left out
        unit_names = "names"                    # a list or the name of an array; "0", "1", ... if left out
        outputs = "velocity"                    # an array (condition, time, output), if there is one

    Args:
        path, max_ratio: the TOML file, and as for `safe_open`.

    Raises:
        DataFileError: if a file is missing or damaged, holds Python objects or unfolds to far more than is stored; if a
            key is missing, unknown or of the wrong type; or if `file`, units, shapes, names or rates are wrong.

    Warns:
        DataWarning: if units were left out because their rate never changes.

    Example:
        >>> import numpy as np, pathlib
        >>> np.save("rates.npy", np.random.default_rng(0).uniform(0, 20, (4, 30, 5)))
        >>> lines = 'file = "rates.npy"\\naxes = ["condition", "time", "unit"]\\ndt = 0.01\\nunits = "spikes/s"\\n'
        >>> _ = pathlib.Path("rates.toml").write_text(lines + 'conditions = ["0", "90", "180", "270"]')
        >>> read_numpy("rates.toml").rates.shape
        (4, 30, 5)
    """
    path = Path(path)
    table = _description(path)
    data = path.parent / table["file"]
    if data.name != table["file"] or data.resolve().parent != path.parent.resolve():
        raise DataFileError(f"{path}, file: {table['file']!r} is not in the folder of this file; put it there.")
    arrays = load_numpy(data, max_ratio=max_ratio)
    with reading(data):
        rates = _rates(arrays, table, path)
        outputs = _array(arrays, table["outputs"], path, "outputs") if "outputs" in table else None
        if outputs is not None and (outputs.ndim != 3 or outputs.shape[:2] != rates.shape[:2]):
            raise DataFileError(f"{path}, outputs: the shape is {outputs.shape}, expected (condition, time, output).")
        units = _labels(arrays, table, "unit_names", rates.shape[2], path) or None
        conditions = _labels(arrays, table, "conditions", len(rates), path) or map(str, range(1, len(rates) + 1))
        return averaged_activity(
            str(data), rates=rates, units=units, conditions=list(conditions),
            dt=float(table["dt"]), start=float(table.get("start", 0.0)),
            outputs=None if outputs is None else outputs.astype(float),
        )  # fmt: skip


def _description(path: Path) -> dict[str, Any]:
    """The TOML file, its keys and their types checked."""
    if not path.is_file():
        raise DataFileError(f"{path}: there is no such file; check the path.")
    if path.stat().st_size > MAX_TOML_BYTES:
        raise DataFileError(f"{path}: more than 1 MiB; this is not a description in TOML.")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataFileError(f"{path}: cannot be read as TOML ({error}); correct it.") from error
    for key, value in table.items():
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(KEYS)}."
            raise DataFileError(f"{path}: no setting is called {key!r}; {mend}")
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):
            raise DataFileError(f"{path}, {key}: {value!r:.60} is of the wrong type; see the example of read_numpy.")
    if missing := [key for key in REQUIRED if key not in table]:
        raise DataFileError(f"{path}: {missing[0]} is missing; add it: {', '.join(REQUIRED)} are needed.")
    if not is_plausible(table["dt"]):
        raise DataFileError(f"{path}, dt: {table['dt']} s is not plausible; give seconds, from 0.0001 to 0.5.")
    if not np.isfinite(table.get("start", 0.0)):
        raise DataFileError(f"{path}, start: {table['start']}; give seconds.")
    return table


def _rates(arrays: dict[str, np.ndarray], table: dict[str, Any], path: Path) -> np.ndarray:
    """Rates in spikes/s, (condition, time, unit)."""
    if "array" not in table and len(arrays) != 1:
        raise DataFileError(f"{path}: the file has arrays {', '.join(arrays)}; say which in array = ....")
    rates = _array(arrays, table.get("array", next(iter(arrays), "")), path, "array")
    if rates.ndim > 3 and rates.squeeze().ndim == 3:
        rates = rates.squeeze()
    axes = ["condition" if axis == "trial" else axis for axis in table["axes"]]
    if sorted(map(str, axes)) != sorted(AXES) or rates.ndim != 3:
        found = f"{table['axes']} for an array of shape {rates.shape}"
        raise DataFileError(f"{path}, axes: {found}; expected {', '.join(AXES)} in the order of the array.")
    given = table["units"].strip().lower()
    if given not in (*RATES, *COUNTS):
        raise DataFileError(f"{path}, units: {table['units']!r}; expected 'spikes/s', or 'counts' per bin.")
    rates = rates.transpose([axes.index(axis) for axis in AXES]).astype(float)
    return rates / table["dt"] if given in COUNTS else rates


def _array(arrays: dict[str, np.ndarray], name: str, path: Path, key: str) -> np.ndarray:
    if name not in arrays:
        have = ", ".join(arrays).strip() or "one without a name"
        raise DataFileError(f"{path}, {key}: the file has no array {name!r}; it has {have}.")
    if arrays[name].dtype.kind not in "biuf":
        raise DataFileError(f"{path}, {key}: {name!r} holds {arrays[name].dtype}, expected numbers.")
    return arrays[name]


def _labels(arrays, table: dict[str, Any], key: str, expected: int, path: Path) -> list[str]:
    """Names from a list or an array; empty if there are none."""
    given = table.get(key, [])
    if isinstance(given, str):
        if given not in arrays or arrays[given].dtype.kind not in "biufUS":
            raise DataFileError(f"{path}, {key}: the file has no array of names {given!r}; it has {', '.join(arrays)}.")
        values = np.char.decode(arrays[given]) if arrays[given].dtype.kind == "S" else arrays[given]
        given = values.ravel().tolist()
    if given and len(given) != expected:
        raise DataFileError(f"{path}, {key}: {len(given)} names for {expected}; give one each.")
    return [f"{label:.9g}" if isinstance(label, (int, float)) else str(label) for label in given]
