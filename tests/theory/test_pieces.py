"""Pieces of work in other processes give the bits that they give in this one."""

import functools
import importlib
import multiprocessing

import jax.numpy as jnp
import numpy as np

from recirc.analyses.pieces import results

WORK = '''
import jax.numpy as jnp
import numpy as np
from recirc.analyses import Result

def curve(rates, piece):
    """Needs 64 bits on arrival, and while it computes."""
    return Result({"curve": np.asarray(jnp.sin(rates * piece["factor"]))}, {"arrived": str(rates.dtype)})
'''


def test_a_spawned_pool_has_the_precision_of_the_caller(tmp_path, monkeypatch):
    (tmp_path / "curves.py").write_text(WORK)  # a pool waits for ever for a worker that cannot import its function
    monkeypatch.syspath_prepend(tmp_path)
    work = functools.partial(importlib.import_module("curves").curve, jnp.linspace(0.0, 1e3, 50))
    pieces = [{"factor": factor} for factor in (0.1, 0.7)]
    here = [result for _, result in results(work, pieces)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = [result for _, result in results(work, pieces, pool.imap_unordered)]
    for one, other in zip(here, there, strict=True):
        assert other.metadata == {"arrived": "float64"}
        assert np.array_equal(one.arrays["curve"], other.arrays["curve"])
        assert other.arrays["curve"].dtype == np.float64
