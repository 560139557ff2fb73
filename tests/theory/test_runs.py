"""Saving then loading is the identity, for configurations, parts, datasets and metrics."""

import abc
import dataclasses
import json
import math
from typing import Literal

import equinox as eqx
import jax
import numpy as np
import pytest
import xarray as xr

from recirc.analyses import Claim, Result, Row
from recirc.analyses.pieces import piece_key
from recirc.data import read_dataset
from recirc.runs import RunFolder, dump_config, load_config, read_metrics, verify
from recirc.runs.metrics import metrics_text
from recirc.runs.worker import packed, unpacked
from recirc.storage import file_name, unpack


class AbstractRule(eqx.Module):
    @abc.abstractmethod
    def rate(self) -> float: ...


class Fast(AbstractRule):
    factor: float = 2.0

    def rate(self):
        return self.factor


class Slow(AbstractRule):
    delay: float = 0.1

    def rate(self):
        return 1 / self.delay


@dataclasses.dataclass(frozen=True)
class Network:
    n_units: int = 300
    gain: float = 1.5
    noise: float | None = None
    shape: tuple[float, ...] = (1.0, 2.0)


@dataclasses.dataclass(frozen=True)
class Study:
    name: str = "a"
    seeds: tuple[int, int] = (0, 1)
    method: Literal["force", "ridge"] = "force"
    dry: bool = False
    note: str | None = "x"
    network: Network = dataclasses.field(default_factory=lambda: Network(n_units=50))
    other: Network | None = None
    rule: AbstractRule = dataclasses.field(default_factory=Fast)


STUDIES = [
    Study(),
    Study(name='quotes " \\ \n\t\x7f é 🧠 = #', note=None, dry=True, method="ridge", seeds=(-3, 2**70)),
    Study(network=Network(gain=1e-300, noise=-0.0, shape=()), other=Network(), rule=Slow(delay=1e22)),
]


@pytest.mark.parametrize("study", STUDIES)
def test_dumped_configuration_loads_equal(study, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(dump_config(study), encoding="utf-8")
    assert load_config(Study, path) == study


def test_tables_change_only_what_they_name(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("[network]\ngain = 2\n[rule]\nfactor = 3\n")
    assert load_config(Study, path) == Study(network=Network(n_units=50, gain=2.0), rule=Fast(3.0))


def test_overrides_win_over_the_file_and_take_bare_words(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("name = 'file'\n[network]\ngain = 2\n")
    overrides = ["name=word", "network.gain=3", "rule.kind=Slow", "seeds=[4, 5]", "note=none", "other.n_units=7"]
    expected = Study("word", (4, 5), note=None, network=Network(50, 3.0), other=Network(n_units=7), rule=Slow())
    assert load_config(Study, path, overrides) == expected


def test_a_piece_loads_as_it_was_kept():
    result = Result(
        {"file": np.arange(6.0).reshape(2, 3), "names": np.array(["é", "b"]), "none": np.zeros((0, 4), np.float32)},
        {"history": [1.5, math.inf], "outcome": "DIVERGED"},
    )
    loaded = unpacked(*unpack(packed("a", result, 1.0)))
    assert loaded.metadata == result.metadata
    assert loaded.arrays.keys() == result.arrays.keys()
    for name, array in result.arrays.items():
        assert loaded.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays[name], array)


def test_dataset_loads_as_it_was_written(tmp_path):
    rates = xr.DataArray(np.random.default_rng(0).normal(size=(2, 3)), dims=("time", "unit"), attrs={"units": "1"})
    dataset = xr.Dataset({"rates": rates}, {"unit": ["é", "<b>", "c"], "time": ("time", [0.1, 0.2], {"units": "s"})})
    with RunFolder.open(tmp_path / "run", specification={}) as folder:
        folder.write_dataset("activity.nc", dataset)
    assert read_dataset(tmp_path / "run" / "activity.nc").identical(dataset)


def test_metrics_load_as_they_were_written_and_are_strict_json():
    rows = [
        Row(
            "output_nmse", "performance", "force", np.float64(0.1), (0.05, 0.2), 3, {"set": "train"}, direction="lower"
        ),
        Row("linear_cka", "population", "ridge", math.nan, condition={"outcome": "diverged"}, ceiling=0.9),
        Row("dsa", "mechanism", "a", 1.0, null={"kind": "tme", "mean": 0.1, "p95": 0.2, "p": 0.01}, baselines={"b": 1}),
    ]
    claims = [Claim("it works", "a paper, fig. 1", None), Claim("so", "b", True, 1.0, (0.5, 1.5), 0.01, 10)]
    text = metrics_text("study", "quick", rows, claims)
    data = json.loads(text, parse_constant=pytest.fail)
    assert data["rows"][1]["value"] is None
    fields = {"metric", "level", "arm", "condition", "value", "ci", "n", "unit"}
    assert set(data["rows"][0]) == fields | {"direction", "null", "baselines", "ceiling", "teacher"}
    assert set(data["claims"][0]) == {
        "claim",
        "source",
        "supported",
        "effect",
        "ci",
        "p",
        "n",
        "smallest",
        "needs",
        "power",
    }
    about, rows_again, claims_again = read_metrics(text)
    assert about == {"study": "study", "preset": "quick"}
    assert metrics_text("study", "quick", rows_again, claims_again) == text


def test_hash_depends_on_content_and_not_on_order_or_container():
    assert piece_key({"a": 1, "b": (1, 2)}) == piece_key({"b": [1, np.int64(2)], "a": 1})
    assert piece_key(Fast()) != piece_key(Fast(3.0))
    assert piece_key({"a": jax.nn.relu}) != piece_key({"a": jax.nn.gelu})


def test_finished_folder_is_sealed_and_every_change_is_found(tmp_path):
    with RunFolder.open(tmp_path / "run", specification={}) as folder:
        folder.write("report.html", "a")
        folder.write("figures/one.svg", b"b")
        folder.finish()
    root = tmp_path / "run"
    assert sorted(path.name for path in root.iterdir()) == ["DONE", "figures", "report.html"]
    assert verify(root) == []
    (root / "figures/one.svg").write_text("c")
    (root / "new").touch()
    (root / "report.html").unlink()
    assert verify(root) == ["figures/one.svg was changed.", "new was added later.", "report.html is missing."]


def test_file_names_are_safe_and_never_collide_on_a_case_insensitive_disk():
    texts = ["a", "A", "á", "..", "", "x" * 300, "x" * 301, "a/b", "a b", "<img onerror=x>", "=cmd|x", "é", "E\u0301"]
    names = [file_name(text) for text in texts]
    assert len({name.lower() for name in names}) == len(texts)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") and len(name) < 100 for name in names)
