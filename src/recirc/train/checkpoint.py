"""A training's state in a file, so that an interrupted one can go on."""

import hashlib
import io
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from recirc.storage import read_arrays, write_arrays


def identify(specification) -> str:
    """sha256 of everything that decides a training: settings and the bits of every array.

    Functions count by name, since another process has them at other addresses.
    """
    arrays, rest = eqx.partition(specification, eqx.is_array)
    settings = re.sub(r" at 0x[0-9a-f]+", "", repr((jax.tree.structure(rest), jax.tree.leaves(rest))))
    digest = hashlib.sha256(settings.encode())
    for leaf in jax.tree.leaves(arrays):
        data = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        digest.update(f"{data.dtype}{data.shape}".encode() + np.asarray(data).tobytes())
    return digest.hexdigest()


def save_checkpoint(path: str | Path, state, history: list[dict[str, float]], identity: str) -> None:
    """Write state and history, whole or not at all; the checkpoint before stays beside it, as "FILE.before".

    Raises:
        StorageError: if the file cannot be written; an earlier checkpoint is then intact.
    """
    buffer = io.BytesIO()
    eqx.tree_serialise_leaves(buffer, state)
    leaves = np.frombuffer(buffer.getvalue(), np.uint8)
    if Path(path).exists():
        Path(path).replace(_before(path))
    write_arrays(Path(path), {"state": leaves}, {"identity": identity, "history": history})


def load_checkpoint(path: str | Path, first, identity: str):
    """State and history from a file, or from the one before if it is damaged; `first` if there is neither.

    Raises:
        ValueError: if the file is a checkpoint of another training.
    """
    for place in (Path(path), _before(path)):
        kept = read_arrays(place)
        if kept is None:
            continue
        arrays, about = kept
        if about["identity"] != identity:
            raise ValueError(
                f"{place} is the checkpoint of another training (other trainer, network, trials or key); give another "
                "file, or delete it."
            )
        return eqx.tree_deserialise_leaves(io.BytesIO(arrays["state"].tobytes()), first), about["history"]
    return first, []


def _before(path: str | Path) -> Path:
    return Path(path).with_name(f"{Path(path).name}.before")
