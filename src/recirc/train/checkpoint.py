"""A training's state in a file, so that an interrupted one can go on."""

import hashlib
import io
import json
import os
import re
import warnings
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


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
    """Write state and history, whole or not at all.

    Raises:
        OSError: if the file cannot be written; an earlier checkpoint is then intact.
    """
    buffer = io.BytesIO()
    buffer.write((json.dumps({"identity": identity, "history": history}) + "\n").encode())
    eqx.tree_serialise_leaves(buffer, state)
    body = buffer.getvalue()
    temporary = Path(path).with_name(f"{Path(path).name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(hashlib.sha256(body).digest() + body)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: str | Path, first, identity: str):
    """State and history from a file; `first` and an empty history if there is none or it is damaged.

    Raises:
        ValueError: if the file is a checkpoint of another training.
    """
    if not Path(path).exists():
        return first, []
    whole = Path(path).read_bytes()
    digest, body = whole[:32], whole[32:]
    if hashlib.sha256(body).digest() != digest:
        warnings.warn(
            f"the checkpoint {path} is damaged; the training starts from the beginning.", stacklevel=3
        )
        return first, []
    buffer = io.BytesIO(body)
    about = json.loads(buffer.readline())
    if about["identity"] != identity:
        raise ValueError(
            f"{path} is the checkpoint of another training (other trainer, network, trials or key); give another file, "
            "or delete it."
        )
    return eqx.tree_deserialise_leaves(buffer, first), about["history"]
