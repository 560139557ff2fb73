"""MATLAB 5 to 7.2 taken apart in the process of `probe`, since damaged files crash SciPy; imports nothing of ours."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.io import loadmat, matlab

HIDDEN = ("__header__", "__version__", "__globals__")


def take_apart(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """All variables as a tree that JSON can hold, with arrays of numbers beside it; nothing is executed.

    A node has one key: "array" (its place among them), "text", "cell", "struct" (a list of dicts), or "unreadable".
    Sparse matrices are filled in, as long as that takes no more than 200 times the file, or 64 MiB.
    """
    arrays: list[np.ndarray] = []
    loaded = loadmat(path, struct_as_record=True, verify_compressed_data_integrity=True)
    allowed = max(64 * 2**20, 200 * path.stat().st_size)
    return {name: _node(value, arrays, allowed) for name, value in loaded.items() if name not in HIDDEN}, arrays


def _node(value: Any, arrays: list[np.ndarray], allowed: int) -> dict[str, Any]:
    if isinstance(value, matlab.MatlabFunction):
        return {"unreadable": "a function handle"}
    if isinstance(value, (matlab.MatlabOpaque, matlab.MatlabObject)):
        return {"unreadable": "an object"}
    if sparse.issparse(value):
        n_bytes, before = value.shape[0] * value.shape[1] * 8, sum(array.nbytes for array in arrays)
        if value.dtype.kind not in "biuf" or before + n_bytes > allowed:
            return {"unreadable": f"a sparse matrix of {value.shape[0]:,} x {value.shape[1]:,}"}
        value = value.toarray()
    items = value.ravel(order="F")
    if value.dtype.names is not None:
        return {"struct": [{name: _node(item[name], arrays, allowed) for name in value.dtype.names} for item in items]}
    if value.dtype == object:
        return {"cell": [_node(item, arrays, allowed) for item in items]}
    if value.dtype.kind == "U":
        return {"text": str(items[0]) if items.size == 1 else list(map(str, items))}
    if value.dtype.kind not in "biuf":
        return {"unreadable": "complex numbers"}
    arrays.append(np.ascontiguousarray(value))
    return {"array": len(arrays) - 1}
