"""Sweeps whose networks are trained many at once: the numbers of single trainings, failures of their own, one order."""

import dataclasses
import warnings

import numpy as np
import pytest
from inline_engine import use
from small_sweep import BASE

import recirc
from recirc.analyses.pieces import Batchable, Result, attempt, results
from recirc.analyses.wide import to_csv, wide
from recirc.runs import FolderMap, RunFolder
from recirc.runs.engine import Bundles
from recirc.runs.progress import Progress
from recirc.studies import sweep
from recirc.studies.sweep import training
from recirc.studies.sweep.design import pieces_of, runs_of

TRAINERS = (recirc.train.FullForce, recirc.train.Force, recirc.train.Bptt, recirc.train.Ridge, recirc.train.Cornn)
KEYS = ["task.movement", "task.peak_speed", "seed"]
TOLERANCE = 1e-10  # of `fit_batch`

# Trials of two lengths, and speeds of which one diverges, all of one kind.
MIXED = f"""title = "Mixed"
seeds = [0, 1]
keep = ["weights", "history"]
{BASE}kind = "FullForce"
n_passes = 2
[[axes]]
field = "task.movement"
values = [0.1, 0.12]
[[axes]]
field = "task.peak_speed"
values = [0.1, 1e307]
"""


@pytest.fixture
def mixed(tmp_path, monkeypatch):
    """A sweep of eight networks, in this process, and how many were given to `fit_batch` each time."""
    recirc.enable_x64()
    use(monkeypatch)
    asked, fit_batch = [], training.fit_batch
    monkeypatch.setattr(
        training,
        "fit_batch",
        lambda trainers, *rest, **how: asked.append(len(trainers)) or fit_batch(trainers, *rest, **how),
    )
    (tmp_path / "mixed.toml").write_text(MIXED)
    return sweep.load_sweep(tmp_path / "mixed.toml"), asked


def _run(config, folder, batch):
    """What a sweep comes to, and the names of its pieces in the store."""
    with RunFolder.open(folder, specification={}) as opened:
        found = sweep.experiment(config).analyse(FolderMap(opened, batch=batch))
        return found, sorted(opened.pieces._index)


def test_numbers_order_failures_and_names_are_those_of_single_trainings(mixed, tmp_path):
    config, asked = mixed
    singly, names = _run(config, tmp_path / "singly", None)
    assert asked == []  # on a CPU, unless asked for
    batches, same = _run(config, tmp_path / "batches", 8)
    assert asked == [8]
    assert same == names
    for row, other in zip(batches.rows, singly.rows, strict=True):
        assert dataclasses.replace(row, value=0.0) == dataclasses.replace(other, value=0.0)
        np.testing.assert_allclose(row.value, other.value, rtol=TOLERANCE)
    outcomes = [row.condition.get("outcome", "") for row in batches.rows]
    assert ["diverged in pass 0" in outcome for outcome in outcomes] == [False, False, True, True] * 2
    np.testing.assert_allclose(batches.networks["recurrent"], singly.networks["recurrent"], rtol=1e-6)  # 32 bits
    for entry, other in zip(batches.history, singly.history, strict=True):
        assert entry.keys() == other.keys()
        np.testing.assert_allclose(entry.pop("output_nmse"), other.pop("output_nmse"), rtol=TOLERANCE)
        assert entry == other


def test_what_fails_before_or_after_the_training_is_its_own(mixed, monkeypatch):
    pieces = [piece for piece in pieces_of(mixed[0], runs_of(mixed[0])) if piece.training.task.peak_speed == 0.1][:2]
    unready, good = pieces
    begin, measured = training._begin, training._measured

    def refuses(piece):
        if piece == unready:
            raise ValueError("bad luck before")
        return begin(piece)

    monkeypatch.setattr(training, "_begin", refuses)
    first, second = training.train_pieces(pieces)
    assert first.text == "ValueError: bad luck before"
    assert "output_nmse" in {row["metric"] for row in second.metadata["rows"]}
    monkeypatch.setattr(training, "_begin", begin)

    def breaks(piece, *rest):
        if piece == good:
            raise ArithmeticError("bad luck after")
        return measured(piece, *rest)

    monkeypatch.setattr(training, "_measured", breaks)
    first, second = training.train_pieces(pieces)
    assert isinstance(first, Result)
    assert second.text == "ArithmeticError: bad luck after"


def test_a_batch_that_raises_is_run_one_by_one_with_a_warning(mixed, tmp_path, monkeypatch):
    config, _ = mixed
    singly, _ = _run(config, tmp_path / "singly", 1)

    def refuses(*given, **how):
        raise MemoryError("out of it")

    monkeypatch.setattr(training, "fit_batch", refuses)
    with pytest.warns(UserWarning, match="failed and is computed one by one: MemoryError: out of it"):
        batches, _ = _run(config, tmp_path / "batches", 8)
    assert to_csv(wide(batches.rows, KEYS)) == to_csv(wide(singly.rows, KEYS))


def test_a_stopped_run_goes_on_after_its_finished_batches(mixed, tmp_path, monkeypatch, capsys):
    (config, asked), fit_batch = mixed, training.fit_batch
    singly, names = _run(config, tmp_path / "singly", 1)

    def stops(*given, **how):
        if asked:
            raise KeyboardInterrupt
        return fit_batch(*given, **how)

    with monkeypatch.context() as patch:
        patch.setattr(training, "fit_batch", stops)
        with pytest.raises(KeyboardInterrupt):
            _run(config, tmp_path / "batches", 3)
    capsys.readouterr()
    found, same = _run(config, tmp_path / "batches", 3)
    assert "3 of 8 networks were finished before; going on with 5" in capsys.readouterr().err
    assert asked == [3, 3, 2]
    assert same == names
    values = [[row.value for row in result.rows] for result in (found, singly)]
    np.testing.assert_allclose(*values, rtol=TOLERANCE)


def test_a_batch_goes_out_as_it_is_once_more_after_a_death_and_then_singly():
    kinds = {f"{i}": "large" if i % 2 else "small" for i in range(10)}
    bundles = Bundles(kinds, 2.0, Progress(), [["0", "2", "finished"], ["4", "6", "8"]])
    first, second = bundles.take(2), bundles.take(9)
    assert (first, second) == (("0", "2", "finished"), ("4", "6", "8"))
    assert [bundles.take(1) for _ in range(3)] == [("1",), ("3",), ("5",)]  # how long one takes is not known
    assert bundles.died(first, is_batch=True) == []
    assert bundles.take(1) == first
    assert bundles.died(first, is_batch=True) == []
    assert {bundles.take(1), bundles.take(1)} == {("0",), ("2",)}  # the finished one is not needed
    for _ in range(4):
        assert bundles.died(("0",), is_batch=False) in ([], ["0"])
        last = bundles.take(1)
    assert last == ("7",)  # after four deaths it is given up
    while bundles:
        bundles.take(1)
    assert bundles.take(1) == ()


@pytest.mark.parametrize("n_torn", [0, 1])
def test_batches_are_those_of_an_uninterrupted_run_whatever_is_finished(monkeypatch, tmp_path, n_torn):
    use(monkeypatch)
    asked = []

    def doubles(pieces):
        asked.append([piece["i"] for piece in pieces])
        return [Result({"x": np.asarray([float(len(pieces))])}) for _ in pieces]

    def stops(pieces):
        if asked:
            raise KeyboardInterrupt
        return doubles(pieces)

    pieces = [{"i": i} for i in range(7)]
    with RunFolder.open(tmp_path / "run", specification={}) as folder, pytest.raises(KeyboardInterrupt):
        list(results(Batchable(double, stops), pieces, FolderMap(folder, batch=3)))
    (segment,) = (tmp_path / "run" / "parts").glob("*.segment")
    for _ in range(n_torn):  # the last record of the batch
        segment.write_bytes(segment.read_bytes()[:-3])
    asked.clear()
    with RunFolder.open(tmp_path / "run", specification={}) as folder, warnings.catch_warnings(action="ignore"):
        found = list(results(Batchable(double, doubles), pieces, FolderMap(folder, batch=3)))
    assert asked == [[0, 1, 2]] * n_torn + [[3, 4, 5]]
    assert [result.arrays["x"][0] for _, result in found] == [3.0] * 6 + [12.0]  # the last is a batch of one


def double(piece):
    return Result({"x": np.asarray([2.0 * piece["i"]])})


def test_which_trainers_train_many_at_once():
    can = {kind: training.is_batchable(training.Piece(training.Training(trainer=kind()), 0)) for kind in TRAINERS}
    assert [kind.__name__ for kind, is_so in can.items() if is_so] == ["FullForce", "Force", "Bptt"]


def test_only_functions_that_can_do_many_are_given_many(monkeypatch, tmp_path):
    use(monkeypatch)
    asked = []

    def doubles(pieces):
        asked.append(len(pieces))
        return [attempt(double, piece) for piece in pieces]

    pieces = [{"i": i} for i in range(6)]
    most = Batchable(double, doubles, lambda piece: piece["i"] > 2)
    for function, expected in ((double, []), (Batchable(double, doubles), [4, 2]), (most, [3])):
        with RunFolder.open(tmp_path / f"{len(expected)}", specification={}) as folder:
            found = [result.arrays["x"][0] for _, result in results(function, pieces, FolderMap(folder, batch=4))]
        assert found == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
        assert asked == expected
        asked.clear()
    with (
        RunFolder.open(tmp_path / "none", specification={}) as folder,
        pytest.raises(ValueError, match="batch must be at least 1, got 0"),
    ):
        FolderMap(folder, batch=0)
