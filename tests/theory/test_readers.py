"""Reading is the inverse of writing, whatever the format, and reads no more than it is asked for."""

import contextlib
import importlib.util
import itertools
import tracemalloc
from pathlib import Path
from types import SimpleNamespace as Fake

import h5py
import jax
import numpy as np
import pytest
import scipy.io

from recirc import Activity
from recirc.data import (
    DataWarning,
    Preprocessing,
    Series,
    Session,
    from_pynapple,
    read_matlab,
    read_netcdf,
    read_numpy,
    read_nwb,
    read_recording,
    write_netcdf,
)
from recirc.data.pynapple import session_from_pynapple

_spec = importlib.util.spec_from_file_location("fuzz", Path(__file__).parents[2] / "benchmarks" / "fuzz.py")
fuzz = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fuzz)


@pytest.fixture
def session(tmp_path):
    fuzz.write_nwb(tmp_path / "session.nwb")
    return read_nwb(tmp_path / "session.nwb")


def _plain(column):
    return [np.ravel(value).tolist() for value in column]


def is_same(a: Session, b: Session) -> bool:
    tables = (a.trials, b.trials), (a.unit_columns, b.unit_columns)
    return (
        (a.units, a.resolution) == (b.units, b.resolution)
        and all(set(x) == set(y) and all(_plain(x[name]) == _plain(y[name]) for name in x) for x, y in tables)
        and all((x == y).all() for x, y in zip(a.spikes, b.spikes))
        and set(a.series) == set(b.series)
        and all((a.series[name].values[:] == b.series[name].values[:]).all() for name in a.series)
    )


# NWB


def test_a_session_is_read_as_the_file_has_it(session, tmp_path):
    with h5py.File(tmp_path / "session.nwb") as file:
        times = file["units/spike_times"][()]
        hand, muscle = (file["processing/behavior/Position/hand_pos/data"][()], file["acquisition/emg/data"][()])
    np.testing.assert_array_equal(np.concatenate(session.spikes), times)
    assert [len(spikes) for spikes in session.spikes] == [30, 0, 50]
    assert session.units == ("0", "1", "2")
    assert session.unit_columns["heldout"].tolist() == [True, False, False]
    assert session.unit_columns["quality"].tolist() == ["good", "fair", "good"]
    assert session.trials["go_cue_time"].tolist() == [0.5, 2.5, 4.5, 6.5]
    assert session.trials["direction"].tolist() == ["left", "right", "left", "right"]
    assert [len(targets) for targets in session.trials["target_pos"]] == [1, 2, 1, 2]
    assert [spans.tolist() for spans in session.observed] == [[[0.0, 8.0]]] * 3
    assert session.about == {"identifier": "made up", "subject": "nobody"}
    np.testing.assert_allclose(session.series["hand_pos"].values[:], 0.01 * hand + 1, rtol=1e-15)
    np.testing.assert_allclose(session.series["emg"].values[:], 1e-6 * muscle[:, None], rtol=1e-15)
    assert (session.series["hand_pos"].channels, session.series["hand_pos"].unit) == (("x", "y"), "m")
    assert (session.series["emg"].rate, session.series["emg"].start) == (50.0, 0.5)


@pytest.mark.parametrize("name", ["hand_pos", "emg"])
def test_windows_are_the_slices_of_the_whole(session, name):
    series = session.series[name]
    everything = series.values[:]
    assert len(everything) == series.n_samples == len(series.time)
    random = np.random.default_rng(0)
    for start, length in zip(random.uniform(-1, 9, 30), random.uniform(0, 3, 30)):
        time, values = series.read(start, start + length)
        inside = (series.time >= start) & (series.time < start + length)
        np.testing.assert_array_equal(time, series.time[inside])
        np.testing.assert_array_equal(values, everything[inside])
    for start in series.time[[0, 7, 100]]:
        assert series.read(start, start + 1)[0][0] == start
        assert start not in series.read(start - 0.5, start)[0]


def test_a_window_of_a_large_series_takes_little_memory(tmp_path):
    fuzz.write_nwb(tmp_path / "long.nwb")
    with h5py.File(tmp_path / "long.nwb", "r+") as file:
        group = file.create_group("acquisition/broadband")
        group["data"] = np.random.default_rng(0).normal(size=(2**20, 8)).astype("f4")
        group["starting_time"] = 0.0
        group["starting_time"].attrs["rate"] = 1000.0
    tracemalloc.start()
    try:
        series = read_nwb(tmp_path / "long.nwb").series["broadband"]
        time, values = series.read(500.0, 501.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(time), values.shape) == (1000, (1000, 8))
    assert peak < 4 * 2**20  # all of it would be 64 MiB


def test_without_units_or_trials_there_are_none(tmp_path):
    fuzz.write_nwb(tmp_path / "behavior.nwb")
    with h5py.File(tmp_path / "behavior.nwb", "r+") as file:
        del file["processing/behavior/Position/hand_pos/electrodes"], file["units"], file["intervals"]
    session = read_nwb(tmp_path / "behavior.nwb")
    assert (session.n_units, session.n_trials, session.observed) == (0, 0, None)
    assert set(session.series) == {"hand_pos", "emg"}


def test_equal_names_of_series_become_paths(tmp_path):
    fuzz.write_nwb(tmp_path / "two.nwb")
    with h5py.File(tmp_path / "two.nwb", "r+") as file:
        file.copy("acquisition/emg", file["processing/behavior"])
    assert set(read_nwb(tmp_path / "two.nwb").series) == {"hand_pos", "processing/behavior/emg", "acquisition/emg"}


def test_what_pynwb_writes_is_read(tmp_path):
    pynwb = pytest.importorskip("pynwb")
    from datetime import UTC, datetime

    random = np.random.default_rng(0)
    file = pynwb.NWBFile("reaches", "s1", datetime(2020, 1, 1, tzinfo=UTC), session_id="1")
    device = file.create_device("array")
    group = file.create_electrode_group("M1", "array", "M1", device)
    for place in ("M1", "PMd"):
        file.add_electrode(location=place, group=group)
    file.add_unit_column("heldout", "kept for scoring")
    spikes = [np.sort(random.uniform(0, 10, n)) for n in (40, 3, 25)]
    for i, times in enumerate(spikes):
        spans = [[0.0, 4.0], [5.0, 10.0]]
        file.add_unit(spike_times=times, obs_intervals=spans, electrodes=[i % 2], electrode_group=group, heldout=i == 1)
    file.add_trial_column("go_cue_time", "s")
    file.add_trial_column("target", "where", index=True)
    for i in range(5):
        file.add_trial(2.0 * i, 2.0 * i + 1, go_cue_time=2 * i + 0.5, target=list(range(i)))
    hand = random.normal(size=(1000, 2)).astype("f4")
    position = pynwb.behavior.SpatialSeries(
        name="hand", data=hand, reference_frame="table", unit="cm", timestamps=np.arange(1000) / 100, conversion=2.0
    )
    velocity = pynwb.TimeSeries(name="speed", data=hand[:, 0], unit="cm/s", timestamps=position)
    module = file.create_processing_module("behavior", "kinematics")
    module.add(pynwb.behavior.Position(spatial_series=position))
    module.add(velocity)
    file.add_acquisition(pynwb.TimeSeries(name="emg", data=hand, unit="V", starting_time=1.0, rate=200.0))
    with pynwb.NWBHDF5IO(tmp_path / "written.nwb", "w") as stream:
        stream.write(file)
    session = read_recording(tmp_path / "written.nwb")
    assert all((a == b).all() for a, b in zip(session.spikes, spikes))
    assert {name: session.unit_columns[name].tolist() for name in ("heldout", "location", "electrode_group")} == {
        "heldout": [False, True, False],
        "location": ["M1", "PMd", "M1"],
        "electrode_group": ["M1"] * 3,
    }
    assert session.observed[2].tolist() == [[0.0, 4.0], [5.0, 10.0]]
    assert session.trials["go_cue_time"].tolist() == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert [list(target) for target in session.trials["target"]] == [list(range(i)) for i in range(5)]
    np.testing.assert_array_equal(session.series["hand"].values[:], 2 * hand)
    np.testing.assert_array_equal(session.series["speed"].time, np.arange(1000) / 100)
    np.testing.assert_array_equal(session.series["emg"].read(1.0, 1.05)[1], hand[:10])


# MATLAB


@pytest.mark.parametrize("compressed", [False, True])
def test_both_versions_of_matlab_files_say_the_same(tmp_path, compressed):
    for name, rows in (("trial_data", fuzz.trial_structs()), ("Data", fuzz.averages())):
        scipy.io.savemat(tmp_path / "5.mat", {name: rows}, do_compression=compressed)
        fuzz.write_matlab73(tmp_path / "73.mat", name, rows)
        with pytest.warns(DataWarning) if name == "Data" else contextlib.nullcontext():
            old, new = read_matlab(tmp_path / "5.mat"), read_matlab(tmp_path / "73.mat")
        if name == "Data":
            np.testing.assert_array_equal(old.rates, new.rates)
            np.testing.assert_array_equal(old.rates, np.stack(list(rows["A"])))
            assert (old.dt, old.conditions) == (new.dt, new.conditions) == (0.01, ("1", "2", "3"))
            np.testing.assert_allclose(old.time, rows["times"][0].ravel() / 1000, atol=1e-12)
        else:
            assert is_same(old, new)


@pytest.mark.parametrize("bin_size", [0.001, 0.01, 0.02])
def test_binning_the_spikes_of_counts_gives_the_counts(tmp_path, bin_size):
    rows = fuzz.trial_structs(n_trials=6, n_units=5, bin_size=bin_size)
    scipy.io.savemat(tmp_path / "counts.mat", {"td": rows})
    session = read_matlab(tmp_path / "counts.mat")
    assert session.resolution == bin_size
    for unit, times in enumerate(session.spikes):
        assert (np.diff(times) > 0).all()
        for trial, counts in enumerate(rows["M1_spikes"]):
            start = session.trials["start_time"][trial]
            edges = start + np.arange(len(counts) + 1) * bin_size
            np.testing.assert_array_equal(np.histogram(times, edges)[0], counts[:, unit])
    into = (session.trials["go_cue_time"] - session.trials["start_time"]) / bin_size
    np.testing.assert_allclose(into, np.array(rows["idx_go_cue"], float) - 1, atol=1e-9)
    for trial, velocity in enumerate(rows["vel"]):
        span = session.trials["start_time"][trial], session.trials["stop_time"][trial]
        np.testing.assert_array_equal(session.series["vel"].read(*span)[1], velocity)


# NumPy, pynapple, any


def description(folder, **changes):
    """A TOML file from settings, as its author would write it."""
    settings = {"file": '"rates.npy"', "axes": '["condition", "time", "unit"]', "dt": "0.02", "units": '"Hz"'} | changes
    lines = [f"{key} = {value}" for key, value in settings.items() if value is not None]
    (folder / "rates.toml").write_text("\n".join(lines))
    return folder / "rates.toml"


RATES = np.random.default_rng(0).uniform(1, 9, (3, 7, 4))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_axes_does_not_matter(tmp_path, order):
    axes = ("trial", "time", "unit")
    np.save(tmp_path / "rates.npy", RATES.transpose(order))
    path = description(tmp_path, axes=str([axes[i] for i in order]), start="-0.1")
    activity = read_numpy(path)
    np.testing.assert_array_equal(activity.rates, RATES)
    assert (activity.start, activity.conditions, activity.units) == (-0.1, ("1", "2", "3"), ("0", "1", "2", "3"))


def test_counts_are_divided_by_the_step_and_names_may_be_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", counts=RATES, angle=[0.0, 22.5, 90.0], hand=RATES[:, :, :2], name=list("wxyz"))
    path = description(
        tmp_path,
        file='"a.npz"',
        array='"counts"',
        units='"counts"',
        conditions='"angle"',
        unit_names='"name"',
        outputs='"hand"',
    )
    activity = read_numpy(path)
    np.testing.assert_allclose(activity.rates, RATES / 0.02, rtol=1e-15)
    np.testing.assert_array_equal(activity.outputs, RATES[:, :, :2])
    assert (activity.conditions, activity.units) == (("0", "22.5", "90"), tuple("wxyz"))


def test_pynapple_objects_become_sessions():
    class Group(dict):
        time_support = Fake(start=np.array([0.0, 5.0]), end=np.array([4.0, 9.0]))
        metadata_columns = ("rate", "area")

        def get_info(self, name):
            return {"area": np.array(["M1", "S1"])}[name]

    units = Group({3: Fake(t=np.array([0.1, 6.0])), 8: Fake(t=np.array([]))})
    trials = Fake(start=np.array([0.0, 5.0]), end=np.array([1.0, 6.0]))
    hand = Fake(t=np.arange(5) / 2, values=np.ones((5, 2)), columns=["x", "y"])
    session = session_from_pynapple(units, trials, hand=hand, speed=Fake(t=np.arange(5) / 2, values=np.ones(5)))
    assert (session.units, session.unit_columns["area"].tolist()) == (("3", "8"), ["M1", "S1"])
    assert session.observed[1].tolist() == [[0.0, 4.0], [5.0, 9.0]]
    assert session.trials["stop_time"].tolist() == [1.0, 6.0]
    assert session.series["hand"].channels == ("x", "y")
    assert session.series["speed"].values.shape == (5, 1)


def test_pynapple_objects_are_averaged_as_a_file_is():
    """The same spikes as a session and in memory give the same averages."""
    random = np.random.default_rng(0)
    start = 2.0 * np.arange(24)
    angle = np.tile([0.0, 90.0, 180.0], 8)

    class Trials:
        start, end, metadata_columns = 2.0 * np.arange(24), 2.0 * np.arange(24) + 1.5, ("direction", "go_cue_time")

        def get_info(self, name):
            return {"direction": angle, "go_cue_time": start + 0.5}[name]

    spikes = {
        unit: np.sort(
            np.concatenate([t + random.uniform(0, 1.5, 5 + 6 * ((i + unit) % 3)) for i, t in enumerate(start)])
        )
        for unit in range(4)
    }
    hand = Fake(t=np.arange(0, 48, 0.005), values=random.normal(size=(9600, 2)), columns=["x", "y"])
    units = {unit: Fake(t=times) for unit, times in spikes.items()}
    chain = Preprocessing(minimum_reliability=-1.0)
    found = from_pynapple(units, Trials(), chain, seed=3, hand_vel=hand)
    session = session_from_pynapple(units, Trials(), hand_vel=hand)
    made = chain.apply(session, key=jax.random.key(3))
    np.testing.assert_array_equal(found.rates, made.averages.rates)
    np.testing.assert_array_equal(found.outputs, made.averages.outputs)
    assert (found.conditions, found.trial_counts) == (("0", "90", "180"), (8, 8, 8))
    assert found.covariates["direction"].tolist() == [0, 90, 180]
    with pytest.raises(ValueError, match=r"pynapple: .*no such column"):
        from_pynapple(units, Trials(), Preprocessing(align="cue"))


def test_the_name_of_a_file_does_not_matter(tmp_path):
    fuzz.write_nwb(tmp_path / "a")
    scipy.io.savemat(tmp_path / "b", {"td": fuzz.trial_structs()}, appendmat=False)
    fuzz.write_matlab73(tmp_path / "c", "td", fuzz.trial_structs())
    write_netcdf(Activity(RATES, dt=0.01, conditions="abc"), tmp_path / "d")
    np.save(tmp_path / "rates.npy", RATES)
    description(tmp_path).rename(tmp_path / "e")
    assert is_same(read_recording(tmp_path / "a"), read_nwb(tmp_path / "a"))
    assert is_same(read_recording(tmp_path / "b"), read_recording(tmp_path / "c"))
    np.testing.assert_array_equal(read_recording(tmp_path / "d").rates, read_netcdf(tmp_path / "d").rates)
    np.testing.assert_array_equal(read_recording(tmp_path / "e").rates, RATES)


def test_a_series_may_have_all_its_values_at_hand():
    series = Series(np.eye(3), ("a", "b", "c"), "m", timestamps=np.array([0.0, 0.1, 0.5]))
    assert series.read(0.05, 1.0)[1].tolist() == np.eye(3)[1:].tolist()
