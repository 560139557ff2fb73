"""Arrays and rows of many networks, side by side."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from recirc.analyses import Failure, Result
from recirc.analyses.arrays import labels, stacked, weights_dataset, weights_of
from recirc.analyses.summaries import network_history, network_rows
from recirc.analyses.table import Row
from recirc.circuits import RateNetwork


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
