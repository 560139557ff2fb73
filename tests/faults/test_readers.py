"""What readers refuse, and how they say it; nothing in a file runs, hangs, or leads out of it."""

import ast
import importlib
import importlib.util
import os
import shutil
import signal
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace as Fake

import h5py
import numpy as np
import pytest
import scipy.io
from scipy.io.matlab import MatlabObject

from recirc.data import (
    DataFileError,
    DataWarning,
    Series,
    Session,
    from_pynapple,
    read_matlab,
    read_numpy,
    read_nwb,
    read_recording,
    safe_open,
)

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("fuzz", ROOT / "benchmarks" / "fuzz.py")
fuzz = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fuzz)
opener = importlib.import_module("recirc.data.safe_open")

# The one opener

OPENERS = {"loadmat", "read_mat", "open_dataset", "load_dataset", "open_zarr", "open_datatree", "NWBHDF5IO", "memmap"}
RUNNERS = {"eval", "exec", "pickle", "cPickle", "dill", "cloudpickle", "joblib", "yaml", "shelve", "marshal"}
OWN_FILES = {"storage.py"}  # what the program itself has written, held to a digest


def _opens(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    owner = getattr(getattr(call.func, "value", None), "id", "")
    is_h5py = name == "File" and owner in ("h5py", "h5netcdf") and not _writes(call)
    return name in OPENERS or is_h5py or (name == "load" and owner in ("np", "numpy"))


def _writes(call: ast.Call) -> bool:
    return any(isinstance(value, ast.Constant) and value.value == "w" for value in call.args[1:2])


def _guarded(tree: ast.AST) -> set[ast.AST]:
    """Everything inside a `with safe_open(...)` block."""
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        and any(getattr(getattr(item.context_expr, "func", None), "id", "") == "safe_open" for item in node.items)
    ]
    return {inner for block in blocks for inner in ast.walk(block)}


def test_nothing_opens_a_data_file_but_the_one_opener():
    opener_files = {"safe_open.py", "probe.py", "matlab5.py"}
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        tree = ast.parse(path.read_text())
        guarded = _guarded(tree)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _opens(node)):
            refuses = any(k.arg == "allow_pickle" and getattr(k.value, "value", 1) is False for k in call.keywords)
            if path.name not in opener_files and call not in guarded and not (path.name in OWN_FILES and refuses):
                found.append(f"{path.name}:{call.lineno}")
    assert found == []


def test_nothing_is_unpickled_or_evaluated():
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [node.func.id] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else []
            found += [f"{path.name}: {name}" for name in names if name.split(".")[0] in RUNNERS]
    assert found == []


def refusal(read, path, **settings):
    """The message of a refusal; it must name the file."""
    with pytest.raises(DataFileError) as caught:
        read(path, **settings)
    assert str(path) in str(caught.value)
    return str(caught.value)


# The process that looks


def refusal_with_warnings(read, path):
    with pytest.warns(DataWarning):
        return refusal(read, path)


@pytest.fixture
def nwb(tmp_path):
    """A valid session, changed by a function."""

    def make(change=lambda file: None):
        path = tmp_path / "session.nwb"
        fuzz.write_nwb(path)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


def test_a_file_that_hangs_the_library_is_refused_in_time(nwb, monkeypatch):
    monkeypatch.setattr(opener, "SECONDS", 0.1)
    path = nwb()
    opener._other_process._running().send_signal(signal.SIGSTOP)
    began = time.perf_counter()
    assert "over 0 s of processor time" in refusal(read_nwb, path)
    assert time.perf_counter() - began < 5
    monkeypatch.undo()
    assert read_nwb(path).n_units == 3


def test_the_process_ends_itself_when_it_hangs(nwb, monkeypatch):
    """Where even its creator is gone: a timer is set before a file is looked at."""

    def busy(file):
        for i in range(2000):
            file[f"many/{i}"] = 1.0

    path = nwb(busy)
    monkeypatch.setattr(opener, "SECONDS", 0.01)
    monkeypatch.setattr(opener, "PATIENCE", 1000.0)
    assert "of processor time" in refusal(read_nwb, path)
    monkeypatch.undo()
    assert read_nwb(path).n_units == 3


def test_a_file_that_crashes_the_library_is_refused(nwb, monkeypatch):
    path = nwb()
    ask = opener._converse

    def crash(process, *rest):
        process.send_signal(signal.SIGSEGV)
        return ask(process, *rest)

    monkeypatch.setattr(opener, "_converse", crash)
    assert "crashed" in refusal(read_nwb, path)
    monkeypatch.undo()
    assert read_nwb(path).n_units == 3


def test_a_file_that_needs_too_much_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(opener, "MEMORY_BYTES", 400 * 2**20)
    path = tmp_path / "wide.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("wide", (2**28,), "u1", chunks=(2**28,), compression="lzf")[:8] = 1
    found = refusal(lambda name: safe_open(name, max_ratio=1e9).__enter__(), path)
    assert "entry /wide: damaged" in found or "memory" in found


def test_an_interrupted_question_does_not_answer_the_next(nwb, monkeypatch):
    path = nwb()

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(opener, "_converse", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read_nwb(path)
    monkeypatch.undo()
    assert "no such file" in refusal(read_nwb, path.with_name("absent.nwb"))
    assert read_nwb(path).n_units == 3


def test_a_file_that_takes_the_place_of_the_one_looked_at_is_refused(nwb, monkeypatch):
    path = nwb()
    other = shutil.copy(path, path.with_name("other.nwb"))
    look = opener._look

    def swap(*arguments, **settings):
        answer = look(*arguments, **settings)
        os.replace(other, path)
        return answer

    monkeypatch.setattr(opener, "_look", swap)
    assert "changed while it was looked at" in refusal(read_nwb, path)


def test_a_file_that_changes_while_it_is_looked_at_is_refused(nwb, monkeypatch):
    path = nwb()
    ask = opener._converse

    def touch(*arguments):
        answer = ask(*arguments)
        os.utime(path, (1, 1))
        return answer

    monkeypatch.setattr(opener, "_converse", touch)
    assert "changed while it was looked at" in refusal(read_nwb, path)


def test_a_small_storm_of_damaged_files_meets_only_sentences():
    counts, failures = fuzz.fuzz(120, first=100_000)
    assert failures == []
    assert sum(counts.values()) == 120


# Links and references in HDF5


def dangling(file):
    file["doomed"] = 1.0
    file["pointer"] = np.array([file["doomed"].ref], h5py.ref_dtype)
    del file["doomed"]


def in_attribute(file):
    file["doomed"] = 1.0
    file["units"].attrs["table"] = file["doomed"].ref
    del file["doomed"]


def loop(file):
    file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")


def deep(file):
    file["/".join("x" * 80)] = 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dangling, "a reference to nothing in the file"),
        (in_attribute, "a reference to nothing in the file"),
        (loop, "a soft link to nothing"),
        (deep, "more than 64 deep"),
    ],
)
def test_ways_out_of_the_tree_are_refused(nwb, change, message):
    assert message in refusal(read_nwb, nwb(change))


def test_a_group_that_holds_itself_is_read_once(nwb):
    def ring(file):
        file["units/again"], file["processing/behavior/loop"] = file["units"], file["processing"]

    assert set(read_nwb(nwb(ring)).series) == {"hand_pos", "emg"}


# NWB


def index(values):
    def change(file):
        del file["units/spike_times_index"]
        file["units/spike_times_index"] = values

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (index(np.array([30, 20, 80])), "not rising: row 1 ends at 20 and the row before it at 30"),
        (index(np.array([30, 30, 81])), "row 2 ends at 81, but spike_times has 80 values"),
        (index(np.array([-1, 30, 80])), "row 0 ends at -1"),
        (index(np.array([200, 300 % 256, 80], "u1")), "not rising"),
        (index(np.array([10, 30, 79])), "the last row ends at 79"),
        (index(np.array([30, 80])), "2 rows for 3 unit ids"),
        (index(np.array([30.0, 30.0, 80.0])), "one whole number per row"),
        (lambda file: file["units"].pop("spike_times_index"), "no spike_times_index"),
    ],
)
def test_an_index_of_spikes_that_mixes_units_is_refused(nwb, change, message):
    found = refusal(read_nwb, nwb(change))
    assert message in found
    assert "units/spike_times" in found


def retype(entry, values):
    def change(file):
        del file[entry]
        file[entry] = values

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (retype("units/spike_times", np.array(["a"] * 80, object)), "expected numbers"),
        (retype("units/spike_times", np.ones((80, 2))), "expected numbers"),
        (retype("units/obs_intervals", np.ones(6)), "expected numbers, one pair"),
        (retype("intervals/trials/start_time", np.array(["a"] * 4, object)), "no column start_time of numbers"),
        (retype("intervals/trials/stop_time", np.ones(3)), "3 rows, but there are 4 trials"),
        (retype("intervals/trials/target_pos_index", np.array([3, 1, 4, 6])), "not rising"),
        (retype("units/quality", np.ones(5)), "quality of the units has 5 rows, expected 3"),
        (lambda file: file.attrs.modify("nwb_version", "1.0.6"), "expected NWB 2, found NWB version '1.0.6'"),
        (lambda file: file.attrs.pop("nwb_version"), "expected NWB 2, found HDF5 with acquisition"),
    ],
)
def test_tables_that_are_not_tables_are_refused(nwb, change, message):
    assert message in refusal(read_nwb, nwb(change))


def test_a_missing_column_is_named_with_those_there_are(nwb):
    found = refusal(read_nwb, nwb(lambda file: file["intervals/trials"].pop("stop_time")))
    assert "no column stop_time" in found
    assert "go_cue_time" in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (retype("processing/behavior/Position/hand_pos/timestamps", np.ones(5)), r"\(5,\) timestamps for 800"),
        (retype("acquisition/emg/data", np.ones((4, 3, 2))), r"shape \(4, 3, 2\)"),
        (retype("acquisition/emg/data", np.array(["a"], object)), "values of type object"),
        (lambda file: file["acquisition/emg/starting_time"].attrs.modify("rate", 0.0), "the rate is 0.0"),
    ],
)
def test_series_on_no_clock_are_left_out_and_listed(nwb, change, message):
    with pytest.warns(DataWarning, match=message):
        assert len(read_nwb(nwb(change)).series) == 1


def test_a_series_whose_values_are_damaged_is_an_error_when_they_are_asked_for(nwb):
    path = nwb()
    series = read_nwb(path).series["emg"]
    series.values.dataset.file.close()
    with pytest.raises(DataFileError, match="damaged"):
        series.read(0.5, 1.0)


# MATLAB


@pytest.fixture
def matlab(tmp_path):
    def save(**variables):
        scipy.io.savemat(tmp_path / "lab.mat", variables)
        return tmp_path / "lab.mat"

    return save


def structs(**changes):
    """Three valid trials, some fields of the second changed."""
    rows = fuzz.trial_structs()
    for name, value in changes.items():
        rows[name][1] = value
    return rows


def test_an_unknown_layout_lists_the_variables(matlab):
    found = refusal(read_matlab, matlab(x=np.ones((3, 4)), note="hello", s={"a": 1.0}, c=np.array([1, "b"], object)))
    for part in ("x is numbers of shape 3 x 4", "note is text", "s is 1 structs with fields a", "c is 2 cells"):
        assert part in found
    assert "several variables" in refusal(read_matlab, matlab(a=structs(), b=structs()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"M1_spikes": np.full((21, 2), 0.5)}, "trial 2, bin 1, unit 1: 0.5 is not a number of spikes"),
        ({"M1_spikes": np.full((21, 2), -1.0)}, "-1 is not a number of spikes"),
        ({"M1_spikes": np.full((21, 2), np.nan)}, "nan is not a number of spikes"),
        ({"M1_spikes": np.full((21, 2), 1e18)}, "is not a number of spikes"),
        ({"M1_spikes": np.ones((21, 3))}, "trial 2: 3 units, the first trial has 2"),
        ({"M1_spikes": np.empty((0, 0))}, "trial 2: expected counts"),
        ({"M1_spikes": "none"}, "trial 2: expected counts"),
        ({"bin_size": 0.02}, "expected one width for all trials"),
    ],
)
def test_counts_that_are_not_counts_are_refused(matlab, changes, message):
    assert message in refusal(read_matlab, matlab(td=structs(**changes)))


def test_a_bin_in_milliseconds_is_recognized(matlab):
    assert "looks like milliseconds" in refusal(read_matlab, matlab(td=fuzz.trial_structs(bin_size=10.0)))


def test_fields_on_another_clock_are_left_out_and_listed(matlab):
    with pytest.warns(DataWarning, match="left out vel"):
        assert read_matlab(matlab(td=structs(vel=np.ones((200, 2))))).series == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows["A"].__setitem__(1, np.ones((14, 4))), r"Data(2).A: 14 x 4, the first is 15 x 4"),
        (lambda rows: rows["A"].__setitem__(1, "x"), "Data(2).A: expected numbers"),
        (lambda rows: rows["times"].__setitem__(1, np.arange(15.0)[:, None]), "differs between conditions"),
        (lambda rows: rows["times"].__setitem__(slice(None), list(np.ones((3, 15, 1)))), "not uniform and rising"),
        (lambda rows: rows["times"].__setitem__(slice(None), list(rows["times"] / 1e3)), "milliseconds"),
        (lambda rows: rows["A"].__setitem__(1, -np.ones((15, 4))), "rates are negative"),
    ],
)
@pytest.mark.filterwarnings("ignore::recirc.data.DataWarning")
def test_averages_that_are_not_rates_are_refused(matlab, change, message):
    rows = fuzz.averages()
    change(rows)
    assert message in refusal(read_matlab, matlab(Data=rows))


def test_objects_and_functions_are_left_out_unread_and_refused_where_they_are_needed(matlab, tmp_path):
    thing = MatlabObject(np.zeros((1, 1), [("a", object)]), classname="surprise")
    with pytest.warns(DataWarning, match=r"left out thing \(an object\)"):
        assert read_matlab(matlab(thing=thing, td=structs())).n_trials == 3
    assert "thing is an object" in refusal_with_warnings(read_matlab, matlab(thing=thing))
    for field in ("result", "M1_spikes"):
        for kind, what in (("function_handle", "a function handle"), ("table", "an object (table)")):
            fuzz.write_matlab73(tmp_path / "new.mat", "td", fuzz.trial_structs())
            with h5py.File(tmp_path / "new.mat", "r+") as file:
                file[f"#refs#/{field}_1"].attrs["MATLAB_class"] = np.bytes_(kind)
            if field == "M1_spikes":
                assert f"td.M1_spikes{{2}}: holds {what}" in refusal(read_matlab, tmp_path / "new.mat")
                continue
            with pytest.warns(DataWarning, match=r"left out result\{2\}: holds"):
                assert "result" not in read_matlab(tmp_path / "new.mat").trials


def test_cells_in_cells_in_cells_do_not_unfold_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("recirc.data.matlab"), "MAX_ITEMS", 5_000)
    fuzz.write_matlab73(tmp_path / "bomb.mat", "td", fuzz.trial_structs())
    with h5py.File(tmp_path / "bomb.mat", "r+") as file:
        item = file["#refs#/vel_0"]
        for i in range(40):
            cell = file.create_dataset(f"#refs#/c{i}", data=np.array([[item.ref, item.ref]], h5py.ref_dtype))
            cell.attrs["MATLAB_class"] = np.bytes_("cell")
            item = cell
        file["bomb"] = item
    assert "unfolds without end" in refusal(read_matlab, tmp_path / "bomb.mat")


def test_a_matlab_file_that_unfolds_is_refused(tmp_path):
    scipy.io.savemat(tmp_path / "zeros.mat", {"td": np.zeros((3000, 4000))}, do_compression=True)
    assert "unfolds to more than" in refusal(read_matlab, tmp_path / "zeros.mat")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_truncated_matlab_files_are_refused(matlab, share):
    path = matlab(td=structs())
    whole = path.read_bytes()
    path.write_bytes(whole[: max(1, int(share * len(whole)))])
    assert "truncated" in refusal(read_matlab, path)


# NumPy

SETTINGS = {"file": '"r.npy"', "axes": '["condition", "time", "unit"]', "dt": "0.02", "units": '"Hz"'}
RATES = np.random.default_rng(0).uniform(1, 9, (3, 7, 4))


@pytest.fixture
def numpy_file(tmp_path):
    def save(values=RATES, **changes):
        np.save(tmp_path / "r.npy", values, allow_pickle=True)
        settings = {key: value for key, value in (SETTINGS | changes).items() if value is not None}
        (tmp_path / "r.toml").write_text("\n".join(f"{key} = {value}" for key, value in settings.items()))
        return tmp_path / "r.toml"

    return save


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axis": "[]"}, "did you mean 'axes'?"),
        ({"units": None}, "units is missing"),
        ({"units": '"mV"'}, "expected 'spikes/s'"),
        ({"dt": '"0.02"'}, "dt: '0.02' is of the wrong type"),
        ({"dt": "20"}, "20 s is not plausible"),
        ({"dt": "nan"}, "nan s is not plausible"),
        ({"start": "inf"}, "start: inf"),
        ({"axes": '["condition", "time", "neuron"]'}, "expected condition, time, unit"),
        ({"axes": '["time", "unit"]'}, "expected condition, time, unit"),
        ({"file": '"../r.npy"'}, "not in the folder"),
        ({"file": '"/etc/passwd"'}, "not in the folder"),
        ({"file": '".."'}, "not in the folder"),
        ({"conditions": '["a"]'}, "1 names for 3"),
        ({"unit_names": '["a", "a", "b", "c"]'}, "unit names repeat (a)"),
        ({"array": '"x"'}, "no array 'x'"),
        ({"conditions": '"x"'}, "no array of names 'x'"),
        ({"dt": "="}, "line 3"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(numpy_file, changes, message):
    with pytest.raises(DataFileError) as caught:
        read_numpy(numpy_file(**changes))
    assert message in str(caught.value)


def test_a_link_out_of_the_folder_is_refused(numpy_file, tmp_path):
    path = numpy_file()
    (tmp_path / "inner").mkdir()
    os.symlink(tmp_path / "r.npy", tmp_path / "inner" / "r.npy")
    path.rename(tmp_path / "inner" / "r.toml")
    assert "not in the folder" in refusal(read_numpy, tmp_path / "inner" / "r.toml")


class _Surprise:
    def __reduce__(self):
        return os.mkdir, ("surprise",)


def test_pickles_are_never_opened(numpy_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = numpy_file(np.array([_Surprise()], object))
    with pytest.raises(DataFileError, match="Python objects"):
        read_numpy(path)
    np.savez(tmp_path / "r.npz", a=np.array([_Surprise()], object))
    with pytest.raises(DataFileError, match="Python objects"):
        read_numpy(numpy_file(file='"r.npz"'))
    assert not (tmp_path / "surprise").exists()


def test_archives_that_unfold_or_lie_are_refused(numpy_file, tmp_path):
    path = numpy_file(file='"bomb.npz"')
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(2**24))
    with pytest.raises(DataFileError, match="times what is stored"):
        read_numpy(path)
    content = (tmp_path / "r.npy").read_bytes()
    (tmp_path / "bomb.npz").unlink()
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive:
        archive.writestr("a.npy", content.replace(b"(3, 7, 4)", b"(9, 9, 9)"))
    with pytest.raises(DataFileError, match="the header promises 5,832 bytes, there are 672"):
        read_numpy(path)
    (tmp_path / "r.npy").write_bytes(content[:-8])
    with pytest.raises(DataFileError, match="the header promises 672 bytes, there are 664"):
        opener.load_numpy(tmp_path / "r.npy")


# Any file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (bytes(5000), "holds only zeros"),
        (b"time,unit\n1,2\n", "what can be read: NWB 2"),
        (b"\x93NUMPY\x01\x00", "write a TOML file beside it"),
        (b"PK\x03\x04", "write a TOML file beside it"),
        (b"CDF\x01" + bytes(99), "netCDF-3"),
        (b"MATLAB 5.0 MAT-file", "truncated"),
        (b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM", "no variable has a known layout"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "cannot be opened"),
    ],
)
def test_files_of_no_known_format_are_told_what_can_be_read(tmp_path, content, message):
    (tmp_path / "thing").write_bytes(content)
    assert message in refusal(read_recording, tmp_path / "thing")


def test_hdf5_of_no_known_layout_is_told_what_can_be_read(tmp_path):
    with h5py.File(tmp_path / "thing.h5", "w") as file:
        file["stuff"] = 1.0
    assert "HDF5 with stuff, which is no known layout" in refusal(read_recording, tmp_path / "thing.h5")
    assert "not a regular file" in refusal(read_recording, tmp_path)


def test_sessions_and_series_of_unequal_lengths_are_errors():
    times = {"start_time": np.zeros(2), "stop_time": np.ones(2)}
    for changes, message in (
        ({"trials": {"start_time": np.zeros(2)}}, "no column stop_time"),
        ({"trials": times | {"go": np.zeros(3)}}, "column go of the trials has 3 rows, expected 2"),
        ({"units": ("a",)}, "1 unit names for 0 units"),
        ({"observed": (np.ones((1, 2)),)}, "one array"),
        ({"spikes": (np.ones((1, 1)),), "units": ("a",)}, "one axis"),
    ):
        with pytest.raises(ValueError, match=message):
            Session(**({"spikes": (), "units": (), "trials": times} | changes))
    for changes, message in (
        ({}, "either a rate or timestamps"),
        ({"rate": -1.0}, "the rate is -1.0"),
        ({"rate": 1.0, "channels": ("a", "b")}, "2 channels are named"),
        ({"timestamps": np.ones(2)}, "timestamps for 3 samples"),
    ):
        with pytest.raises(ValueError, match=message):
            Series(**({"values": np.ones((3, 1)), "channels": ("a",), "unit": "m"} | changes))


def test_what_is_not_pynapple_is_named():
    trials = Fake(start=np.zeros(1), end=np.ones(1))
    for arguments, message in (
        ((3, trials), "units are a int"),
        (({}, 3), "trials are a int"),
        (({1: 3}, trials), "unit 1 is a int"),
    ):
        with pytest.raises(ValueError, match=message):
            from_pynapple(*arguments)
