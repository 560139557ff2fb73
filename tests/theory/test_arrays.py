"""Arrays and rows of many networks, side by side."""

import dataclasses
import json
import tracemalloc

import jax
import numpy as np
import pytest
import xarray as xr

from recirc.analyses import Failure, Result, arrays
from recirc.analyses.arrays import labels, stacked, weights_dataset, weights_of
from recirc.analyses.summaries import network_history, network_rows
from recirc.analyses.table import Row
from recirc.circuits import RateNetwork
from recirc.data.netcdf import read_dataset, write_dataset
from recirc.runs.segments import Segments
from recirc.storage import pack


@pytest.fixture
def networks():
    plain = RateNetwork.random(key=jax.random.key(0), n_units=4, n_outputs=2)
    return plain, dataclasses.replace(plain, feedback=jax.numpy.ones((4, 2)), recurrent=2 * plain.recurrent)


def test_weights_come_back_as_they_were_and_absent_ones_are_zero(networks):
    dataset = weights_dataset(
        [weights_of(each) for each in networks], labels([{"arm": "a"}, {"arm": "b"}], {"arm": ""})
    )
    assert "feedback" not in weights_of(networks[0])
    assert dataset["feedback"].dims == ("network", "unit", "output")
    assert (dataset["feedback"].sel(network=0) == 0).all()
    assert (dataset["feedback"].sel(network=1) == 1).all()
    for i, network in enumerate(networks):
        assert np.array_equal(dataset["recurrent"].isel(network=i), network.recurrent)
    assert dataset["arm"].values.tolist() == ["a", "b"]
    assert "feedback" not in weights_dataset([weights_of(networks[0])], {})


def test_a_stack_keeps_order_and_type_and_marks_what_is_missing():
    members = [{}, {"x": np.float32([1, 2]), "seen": np.array([True])}, {"x": np.float32([3, 4])}]
    axes, values, about = stacked(members, {"x": ["time"], "y": ["time"]})["x"]
    assert (axes, about, values.dtype) == (("network", "time"), {"units": "1"}, np.float32)
    assert np.array_equal(values, [[np.nan] * 2, [1, 2], [3, 4]], equal_nan=True)
    assert stacked(members[1:2], {"seen": ["unit"]})["seen"][1].dtype == bool
    assert stacked(members, {"x": ["time"]}, dtype=np.float64)["x"][1].dtype == np.float64


def test_rows_of_a_network_say_which_it_is_also_after_json():
    asked = {"arm": "hints", "seed": 3, "fraction": 0.1, "kind": None}
    rows = [
        Row("svcca", "population", "hints", 0.5, condition={"set": "train"}, ceiling=0.9),
        Row("output_nmse", "robustness", "hints", np.inf, condition={"set": "noise", "outcome": "lost"}),
    ]
    result = Result({}, {"rows": [dataclasses.asdict(row) for row in rows], "history": [{"pass": 0}]})
    for given in (result, Result({}, json.loads(json.dumps(result.metadata)))):
        first, second = network_rows(asked, given, ("fraction", "kind"))
        assert first == dataclasses.replace(
            rows[0], ci=first.ci, condition={"set": "train", "fraction": 0.1, "seed": 3}
        )
        assert second.condition["outcome"] == "lost"
    assert network_history([(asked, result), (asked, Failure("x"))], ("arm", "seed")) == [
        {"arm": "hints", "seed": 3, "pass": 0}
    ]


def test_many_networks_become_one_file_in_the_memory_of_few(tmp_path, monkeypatch):
    """64 networks of 10 MB together, kept as records of a folder."""
    random, store = np.random.default_rng(0), Segments(tmp_path)
    for i in range(64):
        n = 200 if i else 150
        weights = {"recurrent": random.normal(size=(n, n)).astype(np.float32), "bias": np.ones(n, np.float32)}
        store.write({f"{i:064x}": pack(weights if i != 1 else {"recurrent": weights["recurrent"]}, {})})
    store.close()
    members = [store.read(f"{i:064x}")[0] for i in range(64)]
    coordinates = {"seed": ("network", np.arange(64))}
    write_dataset(small := weights_dataset(members, coordinates), tmp_path / "small.nc")
    assert small["bias"].dtype == np.float32  # though one network has none
    assert small["recurrent"].values[0, 150:].sum() == small["bias"].values[1].sum() == 0
    monkeypatch.setattr(arrays, "MOST_BYTES", 1e6)
    write_dataset(weights_dataset(members[:3], {}), tmp_path / "warm.nc")  # loads what it needs
    tracemalloc.start()
    try:
        write_dataset(weights_dataset(members, coordinates), tmp_path / "large.nc")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3e6 < small.nbytes
    write_dataset(weights_dataset(members, coordinates), tmp_path / "again.nc")
    assert (tmp_path / "large.nc").read_bytes() == (tmp_path / "again.nc").read_bytes()
    with read_dataset(tmp_path / "large.nc", lazily=True) as read:
        xr.testing.assert_identical(read.load(), read_dataset(tmp_path / "small.nc"))
