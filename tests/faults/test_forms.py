"""Sound files in unusual forms are read as if in the usual one; what stands in for a file is told for what it is."""

import dataclasses
import importlib.util
import itertools
import tracemalloc
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
import scipy.io
import xarray as xr
from scipy import sparse
from typer.testing import CliRunner

import recirc
from recirc.analyses.fit_config import FitConfig
from recirc.cli import app
from recirc.data import DataFileError, DataWarning, read_matlab, read_netcdf, read_numpy, read_nwb, read_recording
from recirc.data.findings import WRONG
from recirc.data.keeping import keep_only
from recirc.runs.folder_map import FolderMap
from recirc.runs.store import RunFolder
from recirc.studies import check

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("fuzz", ROOT / "benchmarks" / "fuzz.py")
fuzz = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fuzz)


@pytest.fixture
def nwb(tmp_path):
    """A valid session, changed by a function."""

    numbers = itertools.count()

    def make(change=lambda file: None):
        path = tmp_path / f"session{next(numbers)}.nwb"
        fuzz.write_nwb(path)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


def put(file, entry, values):
    attributes = dict(file[entry].attrs) if entry in file else {}
    file.pop(entry, None)
    file[entry] = values
    file[entry].attrs.update(attributes)


def same(a, b):
    return (
        a.units == b.units
        and all(np.array_equal(x, y) for x, y in zip(a.spikes, b.spikes, strict=True))
        and plain(a.trials) == plain(b.trials)
        and plain(a.unit_columns) == plain(b.unit_columns)
        and a.series.keys() == b.series.keys()
        and all(np.array_equal(a.series[n].values[:], b.series[n].values[:]) for n in a.series)
        and all(np.allclose(a.series[n].time, b.series[n].time, rtol=1e-15) for n in a.series)
    )


def plain(columns):
    return {name: (column.ndim, [np.ravel(value).tolist() for value in column]) for name, column in columns.items()}


# Forms


def columns(file):
    for entry in ("units/id", "units/spike_times", "units/spike_times_index", "units/heldout", "units/quality"):
        put(file, entry, file[entry][()][:, None])
    for name in ("start_time", "stop_time", "go_cue_time", "direction", "id"):
        if name in file["intervals/trials"]:
            put(file, f"intervals/trials/{name}", file[f"intervals/trials/{name}"][()][:, None])
    put(file, "processing/behavior/Position/hand_pos/timestamps",
        file["processing/behavior/Position/hand_pos/timestamps"][()][:, None])  # fmt: skip


def rows(file):
    put(file, "intervals/trials/go_cue_time", file["intervals/trials/go_cue_time"][()][None])


def lists_of_one(file):
    file["intervals/trials/go_cue_time_index"] = np.arange(1, 5)


def arrays_of_one(file):
    file.attrs["nwb_version"] = np.array(["2.7.0"], object)
    for entry in ("processing/behavior/Position/hand_pos", "acquisition/emg"):
        data = file[entry]["data"]
        for name in ("conversion", "offset", "unit"):
            if name in data.attrs:
                data.attrs[name] = np.array([data.attrs[name]], object if name == "unit" else float)
    clock = file["acquisition/emg/starting_time"]
    put(file, "acquisition/emg/starting_time", np.array([[clock[()]]]))
    clock = file["acquisition/emg/starting_time"]
    clock.attrs["rate"] = np.array([clock.attrs["rate"]])
    put(file, "identifier", np.array(["made up"], object))


def on_its_side(file):
    put(file, "processing/behavior/Position/hand_pos/data", file["processing/behavior/Position/hand_pos/data"][()].T)


def empty_attributes(file):
    for item in (file, file["units"], file["units/spike_times"], file["acquisition/emg/data"]):
        item.attrs["nothing"] = h5py.Empty("f")
        item.attrs["no_words"] = np.array([], h5py.string_dtype())
    file["units"].attrs["colnames"] = np.array([], h5py.string_dtype())
    file["intervals/trials"].attrs["colnames"] = h5py.Empty(h5py.string_dtype())
    table = file.create_group("processing/notes")
    table.attrs["colnames"], table["id"] = np.array([], h5py.string_dtype()), np.arange(0)


@pytest.mark.parametrize("change", [columns, rows, lists_of_one, arrays_of_one, on_its_side, empty_attributes])
def test_the_form_in_which_values_are_stored_does_not_matter(nwb, change):
    usual = read_nwb(nwb())
    held = dataclasses.replace(
        usual, series={n: dataclasses.replace(s, values=s.values[:], timestamps=s.time, rate=None, start=0.0)
                       for n, s in usual.series.items()}
    )  # fmt: skip
    assert same(read_nwb(nwb(change)), held)


def test_what_is_not_read_may_need_a_plugin_or_be_ragged(nwb):
    def change(file):
        filtered = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        filtered.set_chunk((8,))
        filtered.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
        space = h5py.h5s.create_simple((8,))
        for entry in ("raw/data", "units/waveform_mean"):
            group = file.require_group("acquisition/raw") if entry == "raw/data" else file["units"]
            h5py.h5d.create(group.id, entry.rpartition("/")[2].encode(), h5py.h5t.IEEE_F64LE, space, filtered)
        file["acquisition/raw/starting_time"] = 0.0
        file["acquisition/raw/starting_time"].attrs["rate"] = 30_000.0
        file.create_dataset("acquisition/ragged", (3,), h5py.vlen_dtype(float))[0] = np.ones(3)

    for read in (read_nwb, read_recording):
        with pytest.warns(DataWarning, match=r"acquisition/raw \(compressed with a filter that needs a plugin"):
            found = read(nwb(change))
        assert (set(found.series), found.units) == ({"hand_pos", "emg"}, ("0", "1", "2"))
    with pytest.raises(DataFileError, match=r"filter 32015|ragged"):
        recirc.data.safe_open(nwb(change))


@pytest.mark.filterwarnings("default::recirc.data.DataWarning")
def test_tables_in_other_places_are_read_and_named_or_the_choice_is_asked_for(nwb):
    def move(*places):
        def change(file):
            file.create_group("processing/ecephys")
            file.move("units", "processing/ecephys/units_sorted")
            for place in places:
                file.copy("intervals/trials", place)
            del file["intervals/trials"]

        return change

    with pytest.warns(DataWarning) as told:
        found = read_nwb(nwb(move("intervals/reach_trials", "intervals/epochs")))
    assert [("units_sorted" in str(each.message), "reach_trials" in str(each.message)) for each in told] == [
        (True, False),
        (False, True),
    ]
    assert (len(found.units), found.n_trials, len(found.spikes[2])) == (3, 4, 50)
    several = nwb(move("intervals/a", "intervals/b"))
    with pytest.raises(DataFileError, match=r"\(intervals/a, intervals/b\); move or copy"):
        read_nwb(several)
    with pytest.warns(DataWarning):
        assert read_nwb(nwb(move("intervals/epochs"))).about["intervals"] == "intervals/epochs"


def test_trials_in_invalid_times_are_marked_and_can_be_left_out(nwb):
    def change(file):
        table = file.create_group("intervals/invalid_times")
        table["start_time"], table["stop_time"] = np.array([2.5]), np.array([2.6])

    found = read_nwb(nwb(change))
    assert found.trials["invalid"].tolist() == [False, True, False, False]
    assert keep_only(found, {"invalid": False}, {})[0].n_trials == 3


def test_a_series_of_more_channels_than_samples_is_told_at_once(nwb):
    def sideways(file):
        put(file, "acquisition/emg/data", np.zeros((2, 300_000), np.float32))

    path = nwb(sideways)
    tracemalloc.start()
    with pytest.warns(DataWarning, match="2 samples of 300,000 channels: it looks transposed"):
        assert set(read_nwb(path).series) == {"hand_pos"}
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_an_hour_of_a_fast_series_costs_no_more_than_its_trials():
    class Silent:
        shape = (3600 * 30_000, 2)

        def __getitem__(self, index):
            return np.ones((len(range(*index.indices(self.shape[0]))), 2))

    spec = importlib.util.spec_from_file_location("sessions", Path(__file__).with_name("test_sessions.py"))
    sessions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sessions)
    fast = recirc.data.Series(Silent(), ("a", "b"), "V", rate=30_000.0)
    tracemalloc.start()
    recirc.data.check_session(
        sessions.session(series={"emg": fast}), recirc.data.Preprocessing(), key=jax.random.key(0)
    )
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


# MATLAB


def trials(**changes):
    """Six trials of 30 bins and four units, as a struct array."""
    random, names = np.random.default_rng(0), ("bin_size", "idx_go_cue", "idx_trial_end", "M1_spikes", "vel", "result")
    made = np.empty(6, [(name, object) for name in [*names, *changes]])
    for i in range(6):
        counts = random.poisson(0.4, (30, 4)).astype(float)
        values = [0.01, 12.0, 30.0, counts, random.normal(size=(30, 2)), "R"]
        for name, value in zip([*names, *changes], [*values, *changes.values()]):
            made[name][i] = value
    return made


def both(path, rows, **beside):
    scipy.io.savemat(path.with_suffix(".5.mat"), {"td": rows, **beside})
    fuzz.write_matlab73(path.with_suffix(".73.mat"), "td", rows)
    return path.with_suffix(".5.mat"), path.with_suffix(".73.mat")


@pytest.mark.filterwarnings("ignore::recirc.data.DataWarning")
@pytest.mark.parametrize("fields", [("M1_spikes",), ("vel",), ("M1_spikes", "vel")])
def test_arrays_on_their_side_are_turned_as_lengths_tell(tmp_path, fields):
    usual, turned = trials(), trials()
    for field in fields:
        for i in range(6):
            turned[field][i] = usual[field][i].T
    expected = read_matlab(both(tmp_path / "usual", usual)[0])
    for path in both(tmp_path / "turned", turned):
        found = read_matlab(path)
        assert all(np.array_equal(a, b) for a, b in zip(found.spikes, expected.spikes, strict=True))
        assert np.array_equal(found.series["vel"].values[:], expected.series["vel"].values[:])


def test_a_recording_inside_a_struct_is_read_and_named(tmp_path):
    usual = read_matlab(both(tmp_path / "usual", trials())[0])
    scipy.io.savemat(tmp_path / "inside.mat", {"session": {"monkey": "M", "trial_data": trials()}})
    with pytest.warns(DataWarning, match=r"read from session\.trial_data"):
        found = read_matlab(tmp_path / "inside.mat")
    assert all(np.array_equal(a, b) for a, b in zip(found.spikes, usual.spikes, strict=True))


def test_averages_on_their_side_are_turned(tmp_path):
    rows = fuzz.averages()
    scipy.io.savemat(tmp_path / "usual.mat", {"Data": rows})
    with pytest.warns(DataWarning, match="taken for spikes/s"):
        usual = read_matlab(tmp_path / "usual.mat")
    for i in range(3):
        rows["A"][i] = rows["A"][i].T
    scipy.io.savemat(tmp_path / "turned.mat", {"Data": rows})
    with pytest.warns(DataWarning, match=r"stored unit by time|taken for spikes/s"):
        np.testing.assert_array_equal(read_matlab(tmp_path / "turned.mat").rates, usual.rates)


def test_variables_beside_the_recording_are_left_out_and_sparse_counts_read(tmp_path):
    expected = read_matlab(both(tmp_path / "plain", trials())[0])
    sparse_rows = trials()
    for i in range(6):
        sparse_rows["M1_spikes"][i] = sparse.csc_matrix(sparse_rows["M1_spikes"][i])
    cells = {"weights": sparse.eye(4, format="csc"), "spectrum": np.ones((3, 2)) * 1j, "text": np.full((2, 2, 2), "a")}
    path, _ = both(tmp_path / "beside", trials(), **cells)
    with pytest.warns(DataWarning, match=r"left out spectrum \(complex numbers\)"):
        assert all(np.array_equal(a, b) for a, b in zip(read_matlab(path).spikes, expected.spikes, strict=True))
    scipy.io.savemat(tmp_path / "sparse.mat", {"td": sparse_rows})
    found = read_matlab(tmp_path / "sparse.mat")
    assert all(np.array_equal(a, b) for a, b in zip(found.spikes, expected.spikes, strict=True))
    _, path = both(tmp_path / "new", trials())
    with h5py.File(path, "r+") as file:
        dense = file["#refs#/M1_spikes_0"][()].T
        matrix = sparse.csc_matrix(dense)
        del file["#refs#/M1_spikes_0"]
        item = file.create_group("#refs#/M1_spikes_0")
        item.attrs["MATLAB_class"], item.attrs["MATLAB_sparse"] = np.bytes_("double"), np.uint64(len(dense))
        item["data"], item["ir"], item["jc"] = matrix.data, matrix.indices, matrix.indptr
        references = file["td/M1_spikes"][()]
        references[0] = item.ref
        file["td/M1_spikes"][...] = references
        file.create_dataset("spectrum", data=np.zeros((4, 3), [("real", "<f8"), ("imag", "<f8")]))
        file["spectrum"].attrs["MATLAB_class"] = np.bytes_("double")
        file.create_dataset("pages", data=np.zeros((2, 2, 2), "u2")).attrs["MATLAB_class"] = np.bytes_("char")
    with pytest.warns(DataWarning, match=r"left out pages \(.*3 axes\), spectrum \(complex"):
        assert all(np.array_equal(a, b) for a, b in zip(read_matlab(path).spikes, expected.spikes, strict=True))
    scipy.io.savemat(tmp_path / "vast.mat", {"td": trials(), "vast": sparse.csc_matrix((10**6, 10**6))})
    with pytest.warns(DataWarning, match="a sparse matrix of 1,000,000 x 1,000,000"):
        read_matlab(tmp_path / "vast.mat")


# What stands in for a file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "git lfs pull"),
        (b"/annex/objects/SHA256E-s5--00.nwb\n", "git annex get"),
        (b"\n<!DOCTYPE html><html><body>Please sign in</body></html>\n", "web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "what a server answered"),
        (b"\x1f\x8b\x08\x00" + bytes(64), "compressed as a whole (gzip)"),
        ("﻿file = 'a.npz'\n".encode("utf-16"), "UTF-16"),
    ],
)
@pytest.mark.parametrize("name", ["file.nwb", "file.mat", "file.nc", "file.toml"])
def test_what_stands_in_for_a_file_is_told(tmp_path, content, message, name):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=message.replace("(", r"\(").replace(")", r"\)")):
        read_recording(path)
    assert check.check_file(path, FitConfig()).code == check.UNREADABLE


def test_a_file_that_is_being_written_or_is_not_here_is_told(nwb, tmp_path):
    path = nwb()
    with h5py.File(path, "r+"), pytest.raises(DataFileError, match=r"(open in another program|not closed by)"):
        read_nwb(path)
    (tmp_path / "annexed.nwb").symlink_to(tmp_path / "objects" / "gone")
    with pytest.raises(DataFileError, match="git annex get"):
        read_nwb(tmp_path / "annexed.nwb")


LABELS = ["a,b", "émile ✓ 東", " ", "x\ny", "<b>", '"q"', "nan", "1e3", "a/b", "tab\t", "'", "\\", "a\x7f", "😀"]


def test_byte_order_marks_and_labels_of_any_characters_survive(tmp_path):
    rates = np.random.default_rng(0).gamma(2, 5, (len(LABELS), 9, 3))
    recirc.data.write_netcdf(recirc.Activity(rates, dt=0.01, conditions=LABELS), tmp_path / "a.nc")
    assert list(read_netcdf(tmp_path / "a.nc").conditions) == LABELS
    np.savez(tmp_path / "a.npz", rates=rates, names=np.array(LABELS))
    text = 'file = "a.npz"\narray = "rates"\naxes = ["condition", "time", "unit"]\ndt = 0.01\nunits = "Hz"\n'
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf" + f'{text}conditions = "names"\n'.encode())
    assert list(read_recording(tmp_path / "a.toml").conditions) == list(read_numpy(tmp_path / "a.toml").conditions)
    assert list(read_recording(tmp_path / "a.toml").conditions) == LABELS


def test_netcdf_may_have_empty_attributes(tmp_path):
    made = recirc.Activity(np.random.default_rng(0).gamma(2, 5, (3, 9, 3)), dt=0.01, conditions=list("abc"))
    recirc.data.write_netcdf(made, tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc", "r+") as file:
        file.attrs["nothing"] = h5py.Empty("f")
        file["rates"].attrs["no_words"] = np.array([], h5py.string_dtype())
    np.testing.assert_array_equal(read_netcdf(tmp_path / "a.nc").rates, made.rates)


@pytest.mark.parametrize("values", [np.zeros(3, complex), np.array([True, False]), np.zeros((0, 3))])
def test_netcdf_may_hold_what_is_not_netcdf_beside_the_rates(tmp_path, values):
    made = recirc.Activity(np.random.default_rng(0).gamma(2, 5, (3, 9, 3)), dt=0.01, conditions=list("abc"))
    recirc.data.write_netcdf(made, tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc", "r+") as file:
        file.create_dataset("beside", data=values)
    with pytest.warns(DataWarning, match="left out variables that are not laid out as netCDF-4: beside"):
        np.testing.assert_array_equal(read_netcdf(tmp_path / "a.nc").rates, made.rates)


# Files of no known layout, devices, and scripts


def test_outputs_that_do_not_go_where_labels_say_are_told():
    angles, time = np.arange(8) * 45.0, np.linspace(0, 1, 40)
    rates = np.random.default_rng(0).gamma(2, 5, (8, 40, 9))
    for right in (True, False):
        turn = np.deg2rad(angles if right else angles[[0, 5, 2, 7, 4, 1, 6, 3]])
        hand = np.sin(np.pi * time)[None, :, None] ** 2 * np.stack([np.cos(turn), np.sin(turn)], axis=1)[:, None]
        made = recirc.Activity(rates, dt=0.01, conditions=angles, outputs=hand)
        told = [each.level for each in check.check(made, FitConfig()).findings if "Outputs do not go" in each.what]
        assert told == ([] if right else [WRONG])


def test_files_of_unknown_layout_have_one_exit_code(tmp_path):
    scipy.io.savemat(tmp_path / "old.mat", {"x": np.ones((3, 3))})
    fuzz.write_matlab73(tmp_path / "new.mat", "x", np.array([(1.0,)], [("a", object)]))
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["x"] = np.ones(3)
    xr.Dataset({"z": (("a", "b"), np.ones((3, 4)), {"units": "m"})}).to_netcdf(tmp_path / "z.nc", engine="h5netcdf")
    codes = {path.name: check.check_file(path, FitConfig()).code for path in sorted(tmp_path.iterdir())}
    assert set(codes.values()) == {check.BLOCKED}, codes


def test_a_device_that_is_not_there_is_a_sentence(nwb, monkeypatch):
    def absent():
        raise ValueError("JAX_PLATFORMS=cuda asks for a device that is not here; set it to cpu.")

    monkeypatch.setattr("recirc.runs.provenance.describe_device", absent)
    for words in (["check", str(nwb())], ["demo-data", str(nwb().with_name("demo.nwb"))]):
        done = CliRunner().invoke(app, words)
        assert (done.exit_code, "asks for a device" in done.output) == (2, True)


def test_a_script_without_a_main_guard_is_told_before_workers_start(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text("run(jobs=2)\n")
    monkeypatch.setattr(__import__("__main__"), "__file__", str(script), raising=False)
    with (
        RunFolder.open(tmp_path / "run", specification={"a": 1}) as folder,
        pytest.raises(ValueError, match="would run it again"),
    ):
        list(FolderMap(folder, jobs=2)(len, [{"a": 1}]))
