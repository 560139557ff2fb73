"""How large the compressed parts of MATLAB 5 files and NumPy archives are once unfolded, before they are."""

import math
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from recirc.data.probe import DAMAGE, HARMLESS_BYTES, DataFileError, head_of

MATLAB_COMPRESSED = 15
MAX_ARRAYS = 10_000


def check_matlab(path: Path, max_ratio: float) -> None:
    """Go through the variables of a MATLAB 5 file; DataFileError at one that is cut off or unfolds to far more."""
    head = head_of(path)
    order = "<" if head[126:128] == b"IM" else ">"
    size = path.stat().st_size
    if size < 128:
        raise DataFileError("the file is truncated; copy or export it again.")
    with path.open("rb") as stream:
        stream.seek(128)
        while stream.tell() < size:
            tag = stream.read(8)
            kind, n_bytes = struct.unpack(f"{order}II", tag) if len(tag) == 8 else (0, size)
            if stream.tell() + n_bytes > size:
                raise DataFileError("the file is truncated or damaged; copy or export it again.")
            if kind == MATLAB_COMPRESSED:
                _unfold(stream.read(n_bytes), max_ratio)
            else:
                stream.seek(n_bytes, os.SEEK_CUR)


def _unfold(compressed: bytes, max_ratio: float) -> None:
    allowed = max(HARMLESS_BYTES, max_ratio * len(compressed))
    decompressor, n_bytes = zlib.decompressobj(), 0
    try:
        while compressed and not decompressor.eof:
            n_bytes += len(decompressor.decompress(compressed, 2**20))
            compressed = decompressor.unconsumed_tail
            if n_bytes > allowed:
                mend = "save it with '-nocompression', or raise max_ratio."
                raise DataFileError(f"a variable unfolds to more than {max_ratio:g} times what is stored; {mend}")
    except zlib.error as error:
        raise DataFileError(f"damaged ({error}); save it again in MATLAB.") from error


def check_numpy(path: Path, max_ratio: float) -> None:
    """Compare what the headers of a .npy or .npz file promise with what is there; DataFileError if it is not that."""
    try:
        if head_of(path).startswith(b"PK"):
            return _check_archive(path, max_ratio)
        with path.open("rb") as stream:
            _check_array(stream, path.stat().st_size, "the array")
    except DataFileError:
        raise
    except (*DAMAGE, MemoryError) as error:
        raise DataFileError(f"not a whole .npy or .npz file ({error}); save it again.") from error


def _check_archive(path: Path, max_ratio: float) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_ARRAYS:
            raise DataFileError(f"more than {MAX_ARRAYS:,} arrays; split the file.")
        total = sum(member.file_size for member in members)
        if total > max(HARMLESS_BYTES, max_ratio * path.stat().st_size):
            found = f"its arrays would take {total:,} bytes, more than {max_ratio:g} times what is stored"
            mend = "save them with np.savez instead of np.savez_compressed, or raise max_ratio."
            raise DataFileError(f"{found}; {mend}")
        for member in members:
            with archive.open(member) as stream:
                _check_array(stream, member.file_size, f"entry {member.filename}")


def _check_array(stream: Any, size: int, where: str) -> None:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise DataFileError(f"{where}: version {version} of the format; save plain numbers or strings.")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise DataFileError(f"{where}: Python objects, which are never read; save numbers or strings.")
    promised, stored = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if min(shape, default=0) < 0 or promised != stored:
        raise DataFileError(f"{where}: the header promises {promised:,} bytes, there are {stored:,}; save it again.")
