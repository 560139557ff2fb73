"""Pieces of work in other processes give the bits that they give in this one."""

import functools
import multiprocessing

import jax.numpy as jnp
import numpy as np

from recirc.analyses.pieces import Result, results


def curve(rates, piece):
    """Needs 64 bits on arrival, and while it computes."""
    return Result({"curve": np.asarray(jnp.sin(rates * piece["factor"]))}, {"arrived": str(rates.dtype)})


def test_a_spawned_pool_has_the_precision_of_the_caller():
    work = functools.partial(curve, jnp.linspace(0.0, 1e3, 50))
    pieces = [{"factor": factor} for factor in (0.1, 0.7)]
    here = [result for _, result in results(work, pieces)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = [result for _, result in results(work, pieces, pool.imap_unordered)]
    for one, other in zip(here, there, strict=True):
        assert other.metadata == {"arrived": "float64"}
        assert np.array_equal(one.arrays["curve"], other.arrays["curve"])
        assert other.arrays["curve"].dtype == np.float64
