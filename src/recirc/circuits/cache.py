"""Slow constructions kept on disk, keyed by everything that goes into them."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from recirc.storage import StorageError, read_arrays, write_arrays


def cache_folder() -> Path:
    """`RECIRC_CACHE` if set, else `recirc` under `XDG_CACHE_HOME`, else `~/.cache/recirc`."""
    if own := os.environ.get("RECIRC_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recirc"


def cached_arrays(
    name: str, specification: Mapping[str, object], compute: Callable[[], Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The arrays that `compute` makes, read from disk if they were made before.

    Args:
        name: of the construction; letters, digits and `_`.
        specification: everything the result depends on, key data and version of the algorithm included; JSON values.
        compute: makes the arrays; called if they are not on disk or cannot be read.

    Returns:
        The arrays by name, the same bits whether computed or read; a cache that fails is a warning, never an error.

    Raises:
        ValueError: if `name` is not an identifier, or a computed array is not numeric or not finite.
    """
    if not name.isidentifier():
        raise ValueError(f"the name of a cached construction must be an identifier, got {name!r}.")
    text = json.dumps({"name": name, "specification": specification}, sort_keys=True, allow_nan=False)
    about = json.loads(text)
    path = cache_folder() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.arrays"
    kept = read_arrays(path)
    if kept is not None and kept[1] == about:
        return kept[0]
    arrays = {label: np.ascontiguousarray(value) for label, value in compute().items()}
    for label, value in arrays.items():
        if value.dtype.kind not in "biuf" or not np.all(np.isfinite(value)):
            raise ValueError(f"{name}: the array {label!r} must hold finite numbers to be kept.")
    try:
        write_arrays(path, arrays, about)
    except StorageError as error:
        warnings.warn(f"a construction is not kept, and will be computed again next time: {error}", stacklevel=2)
    return arrays
