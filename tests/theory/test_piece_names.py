"""Names of pieces of work, and how often they are made."""

import dataclasses
import json

import numpy as np

import recirc
from recirc import compare
from recirc.analyses import pieces
from recirc.analyses.pieces import Keyed, Result, canonical, piece_key, results
from recirc.runs import FolderMap, RunFolder
from recirc.runs.metrics import strict_json
from recirc.studies.sweep.training import Circuit, Piece, Training, train_piece


def _plain(value):
    """What JSON has for a value, by the definition."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__} | fields
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _networks() -> list[Piece]:
    """Networks that share some of their components."""
    task, probes = recirc.tasks.CenterOutReach(), (compare.InputScale(1.2), compare.PrivateNoise(0.1))
    trainers = [recirc.train.FullForce(n_passes=3, noise=noise) for noise in (0.1, 0.2)]
    made = [Training(task, 4, Circuit(12), trainer, task, probes, (compare.JPCA(),)) for trainer in trainers]
    return [Piece(training, seed, ("weights",)) for training in made for seed in (0, 1)]


def test_names_of_pieces_are_what_they_were():
    """Networks that are finished in a folder are found by these."""
    assert piece_key(Piece(Training(), 0)) == "c696307444d82183c244db9a8a060679867aef7d8abbc1386afde9da78571da1"
    assert piece_key([1, 2.5, None, True, "é"]) == "8789d7331076518adfeaf6eeadc6a28a1cc8b1e98ef13f03c7f4534cee5dcaf6"


def test_names_follow_the_definition_and_not_what_was_named_before(monkeypatch):
    monkeypatch.setattr(pieces, "_MOST_KNOWN", 3)
    networks = [*_networks(), *_networks()]
    assert list(Keyed(networks).by_key) == [piece_key(network) for network in networks[:4]]
    for piece in (*networks[:4], {"a": networks[0], "kind": np.arange(3), 3: np.float64(0.1)}):
        assert canonical(piece) == json.dumps(_plain(piece), sort_keys=True, separators=(",", ":"))


def test_a_piece_is_named_once_and_a_shared_component_too(tmp_path, monkeypatch):
    networks, named, components = _networks(), [], []
    name, component = pieces._key, pieces._component
    monkeypatch.setattr(pieces, "_key", lambda piece, known: named.append(piece) or name(piece, known))
    monkeypatch.setattr(pieces, "_component", lambda value, known: components.append(value) or component(value, known))
    with RunFolder.open(tmp_path / "run", specification={}) as folder:
        monkeypatch.setattr(FolderMap, "_read", lambda self, name: (Result({}), 0.0))
        monkeypatch.setattr(type(folder.pieces), "__contains__", lambda self, name: True)  # all are finished
        assert len(list(results(train_piece, networks, FolderMap(folder)))) == 4
    assert [piece for piece in named if isinstance(piece, Piece)] == networks
    assert len(components) == len({id(value) for value in components})


def test_json_is_that_of_the_standard_library():
    data = {"a": [1, 2.5, None, True, "é\n"], "b": {}, "c": [], "d": {"e": {"f": [[0.1], {"g": "h"}]}}}
    assert strict_json(data) == json.dumps(data, indent=1)
    assert strict_json(data, None) == json.dumps(data)
    assert strict_json({1: (np.float32(0.5), np.nan, np.arange(2))}, None) == '{"1": [0.5, null, [0, 1]]}'
