"""Files of named arrays, such as a network's weights: NumPy, MATLAB, safetensors; nothing in them is executed.

Safetensors is read and written here, in forty lines, and not by its package: the format is a length, a header in JSON
and bytes, every number of which is checked before it is used, and so no one needs to install anything.
"""

import io
import json
import math
import struct
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from recirc.data.matlab import Unreadable, matlab_variables
from recirc.data.safe_open import DataFileError, load_numpy, named, reading
from recirc.data.stand_in import head_of
from recirc.storage import write_atomic

ZIP, MAX_HEADER = b"PK\x03\x04", 2**20  # bytes; that of a network with a thousand entries takes a tenth
WORDS = ("nonlinearity", "form", "dt", "tau")  # of metadata; what else stands there is about the file
KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "|b1", "U8": "|u1", "I8": "|i1",
         "I16": "<i2", "I32": "<i4", "I64": "<i8"}  # fmt: skip


def read_array_file(path: str | PathLike) -> dict[str, Any]:
    """Arrays and words of a file, by name, None for single Python objects; the format is told by what is in it.

    Raises:
        DataFileError: if there is no such file, it is damaged, or of another format.
    """
    path = Path(path)
    with named(path):
        head = head_of(path)
    if head.startswith(ZIP):
        return load_numpy(path, spare=True)
    if _is_safetensors(head):
        with named(path), reading(path):
            return _read_safetensors(path)
    if head.startswith((b"MATLAB ", b"\x89HDF")):
        found = _without_remarks(matlab_variables(path, max_ratio=200.0))
        if len(found) == 1 and isinstance(only := next(iter(found.values())), dict):
            found = _without_remarks(only)
        texts = {name: np.array(value) for name, value in found.items() if _is_text(value)}
        return {name: value for name, value in found.items() if isinstance(value, np.ndarray)} | texts
    raise DataFileError(
        f"{path}: no file of named arrays; save them with numpy.savez, safetensors or MATLAB's save. Pickles (.pt, "
        ".pkl) are never read: in PyTorch, save_file(model.state_dict(), path) of safetensors.torch writes what is."
    )


def is_array_file(path: Path) -> bool:
    """Whether a file is one of named arrays that no recording is: `.npz` or safetensors."""
    with named(path):
        head = head_of(path)
    return head.startswith(ZIP) or _is_safetensors(head)


def _without_remarks(found: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of MATLAB without text that says nothing of a network or its trials, such as a comment."""
    return {name: value for name, value in found.items() if name in (*WORDS, "conditions") or not _is_text(value)}


def _is_text(value: Any) -> bool:
    """Text, or cells of text."""
    values = value if isinstance(value, list) else [value]
    return all(isinstance(each, str) and not isinstance(each, Unreadable) for each in values)


def _is_safetensors(head: bytes) -> bool:
    """Whether the first bytes of a file are a length and the beginning of a header in JSON."""
    return len(head) > 9 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= MAX_HEADER


def _read_safetensors(path: Path) -> dict[str, Any]:
    """The arrays, and of the metadata the words that say something of the network; others tell of the file."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + length].decode()), content[8 + length :]
    about = header.pop("__metadata__", {})
    found: dict[str, Any] = {name: about[name] for name in WORDS if name in about}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        kind, shape, (first, last) = entry["dtype"], entry["shape"], entry["data_offsets"]
        if kind not in KINDS or not all(isinstance(size, int) and size >= 0 for size in shape):
            raise DataFileError(f"entry {name} holds {kind} of shape {shape}; save plain numbers, such as F32.")
        if first != end or last - first != math.prod(shape) * np.dtype(KINDS[kind]).itemsize or last > len(body):
            raise DataFileError(f"entry {name} is not where its shape says; the file is damaged, save it again.")
        values, end = np.frombuffer(body[first:last], KINDS[kind]).reshape(shape), last
        found[name] = (values.astype("<u4") << 16).view("<f4") if kind == "BF16" else values
    if end != len(body):
        raise DataFileError(f"there are {len(body) - end:,} bytes that no entry has; the file is damaged.")
    return found


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays and words into a NumPy file, whole or not at all; see `write_atomic`."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    write_atomic(path, buffer.getvalue())


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays into a safetensors file, words into its metadata, whole or not at all; see `write_atomic`.

    Source: README of github.com/huggingface/safetensors for the format.
    """
    names = {np.dtype(kind): name for name, kind in KINDS.items()}
    header: dict[str, Any] = {"__metadata__": {"format": "np"}}
    body = b""
    for name, array in arrays.items():
        if array.dtype.kind == "U":
            header["__metadata__"][name] = str(array)
            continue
        values = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        header[name] = {
            "dtype": names[array.dtype],
            "shape": array.shape,
            "data_offsets": [len(body), len(body + values)],
        }
        body += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write_atomic(path, struct.pack("<Q", len(text)) + text + body)
