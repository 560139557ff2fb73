"""Finished pieces of work, each in one file named by the hash of what it came from."""

import dataclasses
import hashlib
import io
import json
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recirc.runs.atomic import write_atomic

if TYPE_CHECKING:
    import numpy as np

_DAMAGE = (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class Result(NamedTuple):
    """What one piece of work gives: named arrays, and anything that JSON can hold."""

    arrays: "Mapping[str, np.ndarray]"
    metadata: Mapping[str, Any] = {}


def canonical(specification) -> str:
    """JSON text of a specification, the same for equal specifications.

    Raises:
        TypeError: if it holds something other than numbers, text, lists, mappings and dataclasses of these.
        ValueError: if a number is not finite.
    """
    return json.dumps(_jsonable(specification), sort_keys=True, separators=(",", ":"), allow_nan=False)


def specification_hash(specification) -> str:
    """sha256 of `canonical`, in hexadecimal digits."""
    return hashlib.sha256(canonical(specification).encode()).hexdigest()


def _jsonable(value):
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return _jsonable({"kind": type(value).__name__} | fields)
    if isinstance(value, Mapping):
        return {str(name): _jsonable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if to_list := getattr(value, "tolist", None):  # NumPy's numbers and arrays
        return to_list()
    return f"{value.__module__}.{value.__qualname__}" if callable(value) else value


def write_part(path: Path, key: str, result: Result) -> None:
    """Write one finished piece of work.

    Raises:
        TypeError: if an array holds Python objects or the metadata are not JSON.
        StorageError: as `write_atomic`.
    """
    import numpy as np

    arrays = {f"array {name}": np.asarray(value) for name, value in result.arrays.items()}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name} holds Python objects; a result holds numbers and strings.")
    text = json.dumps({"key": key, "metadata": dict(result.metadata)})
    buffer = io.BytesIO()
    np.savez(buffer, about=np.frombuffer(text.encode(), np.uint8), **arrays)  # pyright: ignore[reportArgumentType]
    write_atomic(path, buffer.getvalue())


def read_part(path: Path, key: str) -> Result | None:
    """A finished piece of work, or None, with a warning, if the file is damaged."""
    import numpy as np

    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            if about["key"] != key:
                raise ValueError("it belongs to another piece of work")
            arrays = {name[6:]: file[name] for name in file.files if name.startswith("array ")}
            return Result(arrays, about["metadata"])
    except _DAMAGE as error:
        warnings.warn(f"{path} is damaged ({error}); that piece is computed again.", stacklevel=2)
        return None
