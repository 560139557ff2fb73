"""Finished pieces of work, each in one file named by the hash of what it came from."""

import io
import json
import warnings
import zipfile
import zlib
from pathlib import Path

from recirc.analyses.pieces import Result
from recirc.runs.atomic import write_atomic

_DAMAGE = (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error)


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
