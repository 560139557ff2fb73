"""Slow constructions kept on disk, keyed by everything that goes into them."""

import hashlib
import io
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

_DIGEST_BYTES = 32


def cache_folder() -> Path:
    """`RECIRC_CACHE` if set, else `recirc` under `XDG_CACHE_HOME`, else `~/.cache/recirc`."""
    if own := os.environ.get("RECIRC_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recirc"


def cached_arrays(
    name: str, specification: Mapping[str, object], compute: Callable[[], Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The arrays that `compute` makes, read from disk if they were made before.

    The file is an npz archive followed by its SHA-256 digest. The digest is checked before anything is
    parsed, and the file is written aside and then renamed, so a reader sees a whole file or none.

    Args:
        name: of the construction; letters, digits and `_`.
        specification: everything the result depends on, key data and version of the algorithm included;
            JSON values.
        compute: makes the arrays; called if they are not on disk or cannot be read.

    Returns:
        The arrays by name, the same bits whether computed or read.

    Raises:
        ValueError: if `name` is not an identifier, or a computed array is not numeric or not finite.

    A cache that cannot be written, or a file in it that is damaged, is a warning, never an error.
    """
    if not name.isidentifier():
        raise ValueError(f"the name of a cached construction must be an identifier, got {name!r}.")
    text = json.dumps(specification, sort_keys=True, allow_nan=False)
    path = cache_folder() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"
    arrays = _read(path, text)
    if arrays is None:
        arrays = {label: np.ascontiguousarray(value) for label, value in compute().items()}
        for label, value in arrays.items():
            if value.dtype.kind not in "biuf" or not np.all(np.isfinite(value)):
                raise ValueError(f"{name}: the array {label!r} must hold finite numbers to be kept.")
        _write(path, text, arrays)
    return arrays


def _read(path: Path, text: str) -> dict[str, np.ndarray] | None:
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        warnings.warn(f"cannot read {path} ({error}); computing again.", stacklevel=3)
        return None
    archive, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(archive).digest() != digest:
        warnings.warn(f"{path} is damaged (its digest differs); computing again.", stacklevel=3)
        return None
    with np.load(io.BytesIO(archive), allow_pickle=False) as stored:
        arrays = {label: stored[label] for label in stored.files}
    return arrays if str(arrays.pop("specification", "")) == text else None


def _write(path: Path, text: str, arrays: Mapping[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, specification=np.array(text), **arrays)
    archive = buffer.getvalue()
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".writing-", delete=False) as file:
            temporary = Path(file.name)
            file.write(archive + hashlib.sha256(archive).digest())
        temporary.replace(path)
    except OSError as error:
        warnings.warn(f"cannot keep {path} ({error}); the result will be computed again next time.", stacklevel=3)
        if temporary is not None:
            temporary.unlink(missing_ok=True)
