"""The demo session: valid NWB, the same for a seed, read back as it was, and ready for a fit without an option."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from typer.testing import CliRunner

from recirc.analyses import FitConfig
from recirc.cli import app
from recirc.compare import JointGP, cosine_tuning, covariates_of, left_out_r2
from recirc.data.nwb import read_nwb
from recirc.data.preprocessing import Preprocessing
from recirc.data.write_nwb import write_nwb
from recirc.runs import load_config
from recirc.studies.demo_session import DISTANCE, DemoSession

SMALL = DemoSession(n_units=6, n_repeats=2, circuit_units=40)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "session.nwb"
    result = CliRunner().invoke(app, ["demo-data", str(path)])
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture(scope="module")
def prepared(file):
    return Preprocessing().apply(read_nwb(file), key=jax.random.key(0))


def test_the_file_is_small_and_valid(file):
    from nwbinspector import Importance, inspect_nwbfile

    assert file.stat().st_size < 3e6
    severe = (Importance.CRITICAL, Importance.PYNWB_VALIDATION, Importance.ERROR)
    found = [message for message in inspect_nwbfile(nwbfile_path=str(file)) if message.importance in severe]
    assert found == []


def test_it_needs_no_option(file, prepared):
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 0
    assert "Nothing was found that blocks a fit." in result.output
    assert len(prepared.averages.units) == 72
    assert prepared.dropped == ()
    assert prepared.averages.trial_counts == (25,) * 8
    assert prepared.averages.conditions == tuple(f"{45 * i}" for i in range(8))


def test_it_can_be_compared_and_be_a_reference(file, tmp_path):
    """With itself it is as alike as can be; its single trials give a ceiling."""
    from recirc.runs import read_metrics
    from recirc.runs.experiment import run
    from recirc.studies import compare
    from recirc.studies.kao2019.reference import angles_of, describe, load

    run(compare.experiment(file, file, compare.CompareConfig(n_draws=5)), tmp_path / "run")
    rows = read_metrics((tmp_path / "run" / "metrics.json").read_text())[1]
    assert {row.metric: round(row.value, 3) for row in rows}["cca_mean4"] == 1.0
    reference = load(describe(file, 0.0, 0))
    assert reference.single_trials is not None
    assert reference.single_trials.n_trials == 200
    assert sorted(angles_of(reference)) == [45.0 * i for i in range(8)]
    with pytest.raises(ValueError, match="leave --reference-onset out"):
        load(describe(file, 3.0, 0))


def test_rates_are_those_of_cortex(prepared):
    rates = np.asarray(prepared.averages.rates)
    assert 5 < np.median(rates.mean(axis=(0, 1))) < 40
    assert 15 < np.median(rates.max(axis=(0, 1))) < 60
    assert np.median(prepared.reliability) > 0.7


def test_tuning_is_more_than_a_cosine(prepared):
    rates, known = np.asarray(prepared.averages.rates), covariates_of(prepared.averages)
    process = lambda *asked: JointGP((1.3,), 0.06, 0.03).predict(*asked, dt=0.01)  # noqa: E731
    found = []
    for method in (cosine_tuning, process):
        r2 = []
        for i in range(8):
            rest = np.delete(np.arange(8), i)
            made = method(known.select(rest), rates[rest], known.select([i]))[0]
            r2.append(left_out_r2(rates[i], made, np.ptp(rates[rest], axis=(0, 1)) + 5))
        found.append(np.mean(r2))
    assert found[1] > found[0] + 0.2


def test_the_hand_reaches_its_target(file):
    session = read_nwb(file)
    hand = session.series["hand_position"]
    for i in range(0, session.n_trials, 17):
        stop = session.trials["stop_time"][i]
        end = hand.read(stop - 0.05, stop)[1].mean(axis=0)
        target = np.array([session.trials["target_x"][i], session.trials["target_y"][i]])
        assert np.linalg.norm(end - target) < 0.25 * DISTANCE
        onset = session.trials["move_onset_time"][i]
        speed = np.linalg.norm(session.series["hand_velocity"].read(onset - 0.3, onset)[1], axis=1)
        assert speed.max() < 0.05


def test_the_tutorial_runs(file, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
    code, *_ = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    monkeypatch.chdir(file.parent)
    names: dict = {}
    exec(code, names)  # noqa: S102
    assert names["averages"].rates.shape == (8, 110, 72)
    assert names["trials"].n_trials == 200
    (chain,) = re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S)
    (file.parent / "fit.toml").write_text(chain)
    assert load_config(FitConfig, file.parent / "fit.toml").preprocessing.lag == 0.0


def test_a_seed_gives_one_session_and_another_seed_another():
    a, b, c = SMALL.make(3), SMALL.make(3), SMALL.make(4)
    for x, y in zip(a.spikes, b.spikes):
        np.testing.assert_array_equal(x, y)
    for name in a.series:
        np.testing.assert_array_equal(a.series[name].values[:], b.series[name].values[:])
    assert not np.array_equal(a.spikes[0], c.spikes[0])


def test_what_is_written_is_read_back(tmp_path):
    made = SMALL.make(0)
    write_nwb(made, tmp_path / "a.nwb")
    read = read_nwb(tmp_path / "a.nwb")
    assert read.units == made.units
    for name, column in made.trials.items():
        np.testing.assert_array_equal(read.trials[name], column)
    for ours, theirs in zip((made.spikes, made.observed or ()), (read.spikes, read.observed or ())):
        assert len(ours) == len(theirs) == 6
        for x, y in zip(ours, theirs):
            np.testing.assert_array_equal(x, y)
    for name, series in made.series.items():
        found = read.series[name]
        assert (found.channels, found.unit) == (series.channels, series.unit)
        np.testing.assert_array_equal(found.values[:], series.values[:])


def test_spikes_lie_within_the_trials():
    made = SMALL.make(0)
    start, stop = made.trials["start_time"], made.trials["stop_time"]
    for times in made.spikes:
        place = np.searchsorted(start, times, side="right") - 1
        assert (place >= 0).all()
        assert (times <= stop[place] + 1e-3).all()


def test_nothing_is_overwritten(file, tmp_path):
    result = CliRunner().invoke(app, ["demo-data", str(file)])
    assert (result.exit_code, "exists" in result.output) == (2, True)
    assert CliRunner().invoke(app, ["demo-data", str(tmp_path / "absent" / "a.nwb")]).exit_code == 2


@pytest.mark.parametrize("wrong", [{"n_units": 101}, {"n_repeats": 0}])
def test_sizes_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="n_units must be 1 to 100"):
        DemoSession(**wrong)
