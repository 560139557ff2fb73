"""What happens to wrong files: refused with file, entry and mend named; nothing outside them is ever read."""

import os
import resource
import signal

import h5py
import numpy as np
import pytest
import xarray as xr

from recirc import Activity
from recirc.compare.normalization import average_repeats
from recirc.data import DataFileError, DataWarning, check_activity, directions, read_netcdf, safe_open, write_netcdf
from recirc.figures import style

MIB = 2**20


def rates(n_conditions=4, n_steps=20, n_units=5, seed=0):
    return np.random.default_rng(seed).uniform(1, 30, (n_conditions, n_steps, n_units))


def dataset(**changes):
    """A valid recording, 4 directions, 20 ms bins."""
    parts = {
        "rates": (("condition", "time", "unit"), rates(), {"units": "spikes/s"}),
        "condition": ("condition", [0.0, 90.0, 180.0, 270.0], {"units": "degree"}),
        "time": ("time", np.arange(20) * 0.02, {"units": "s"}),
        "unit": ("unit", [f"u{i}" for i in range(5)]),
    } | changes
    return xr.Dataset({name: part for name, part in parts.items() if part is not None}).set_coords(
        [name for name in ("condition", "time", "unit") if parts[name] is not None]
    )


@pytest.fixture
def save(tmp_path):
    def write(data, name="recording.nc"):
        data.to_netcdf(tmp_path / name, engine="h5netcdf")
        return tmp_path / name

    return write


def refusal(path, **settings):
    """The message with which a file is refused; it must name the file."""
    with pytest.raises(DataFileError) as caught, safe_open(path, **settings):
        pass
    assert str(path) in str(caught.value)
    return str(caught.value)


def reading_refusal(path, **settings):
    with pytest.raises(DataFileError) as caught:
        read_netcdf(path, **settings)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.fixture
def refused(save):
    """The sentence with which a recording is refused: the same for a file and in memory."""

    def refuse(data, **settings):
        path = save(data)
        told = reading_refusal(path, **settings)
        with pytest.raises(ValueError, match=r".") as caught:
            check_activity(Activity.from_xarray(data, **settings), "it")
        assert str(caught.value).removeprefix("it").lstrip(":, ") == told.removeprefix(str(path)).lstrip(":, ")
        return told

    return refuse


# Files that are not whole


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (bytes(5000), "only zeros"),
        (b"condition,time,unit\n", "not an HDF5 file"),
        (b"CDF\x01" + bytes(100), "netCDF-3"),
        (b"\x89HDF\r\n\x1a\n" + bytes(5000), "cannot be opened"),
    ],
)
def test_files_that_are_not_hdf5_are_refused(tmp_path, content, message):
    path = tmp_path / "session.nwb"
    path.write_bytes(content)
    assert message in refusal(path)


def test_missing_files_folders_and_devices_are_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "absent.nc")
    assert "not a regular file" in refusal(tmp_path)
    assert "not a regular file" in refusal("/dev/zero")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_truncated_files_are_refused(save, share):
    path = save(dataset())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "truncated" in refusal(path) or share < 0.1


def test_a_file_with_any_block_overwritten_by_zeros_is_read_right_or_refused(save):
    """Every kibibyte of the file in turn: never another exception, never a crash."""
    path = save(dataset())
    whole = path.read_bytes()
    right = read_netcdf(path).rates.shape
    refused = 0
    for start in range(0, len(whole), 1024):
        path.write_bytes(whole[:start] + bytes(min(1024, len(whole) - start)) + whole[start + 1024 :])
        try:
            assert read_netcdf(path).rates.ndim == len(right)
        except DataFileError:
            refused += 1
    assert refused > 3


# Files that point elsewhere or unfold


@pytest.fixture
def hostile(tmp_path):
    """An HDF5 file made by a function, and a second one that it may try to reach."""

    def make(fill):
        with h5py.File(tmp_path / "secret.h5", "w") as file:
            file["secret"] = np.arange(10.0)
        with h5py.File(tmp_path / "hostile.h5", "w") as file:
            fill(file)
        return tmp_path / "hostile.h5"

    return make


def virtual(file):
    layout = h5py.VirtualLayout((10,), float)
    layout[:] = h5py.VirtualSource("secret.h5", "secret", (10,))
    file.create_virtual_dataset("rates", layout)


def plugin(file):
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((4,))
    creation.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
    h5py.h5d.create(file.id, b"rates", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((8,)), creation)


def link(name, target):
    def fill(file):
        file[name] = target

    return fill


def linked_twice(file):
    file["a/inner"] = h5py.SoftLink("/b/secret")
    file["b"] = h5py.ExternalLink("secret.h5", "/")


@pytest.mark.parametrize(
    ("fill", "entry", "message"),
    [
        (link("a/b/rates", h5py.ExternalLink("secret.h5", "/secret")), "/a/b/rates", "another file"),
        (link("rates", h5py.ExternalLink("absent.h5", "/x")), "/rates", "another file"),
        (linked_twice, "/b", "another file"),
        (link("rates", h5py.SoftLink("/nowhere")), "/rates", "soft link to nothing"),
        (link("rates", h5py.SoftLink("/rates")), "/rates", "soft link to nothing"),
        (virtual, "/rates", "virtual storage"),
        (plugin, "/rates", "filter 32015"),
        (
            lambda file: file.create_dataset("rates", (64,), "u1", external=[("/etc/passwd", 0, 64)]),
            "/rates",
            "external storage",
        ),
        (lambda file: file.create_dataset("deep/one", data=np.array([b"x"], "V4")), "/deep/one", "opaque"),
        (lambda file: file.create_dataset("r", (3,), h5py.vlen_dtype(np.uint8)), "/r", "ragged"),
        (
            lambda file: file.create_dataset("r", (3,), np.dtype([("a", float), ("b", h5py.vlen_dtype("i4"))])),
            "/r",
            "ragged",
        ),
    ],
)
def test_entries_that_leave_the_file_or_hold_objects_are_refused(hostile, fill, entry, message):
    found = refusal(hostile(fill))
    assert f"entry {entry}:" in found
    assert message in found


def test_the_external_link_would_have_been_followed_otherwise(hostile):
    path = hostile(link("rates", h5py.ExternalLink("secret.h5", "/secret")))
    with h5py.File(path) as file:
        assert file["rates"].shape == (10,)


def test_links_references_and_strings_within_the_file_are_fine(hostile):
    def fill(file):
        file["units/name"] = np.array(["ü", "b"], object)
        file["alias"] = h5py.SoftLink("/units/name")
        file["units/again"] = file["units"]
        file.create_dataset("who", data=file["units"].ref, dtype=h5py.ref_dtype)
        file["zipped"] = h5py.Empty("f8")
        file.create_dataset("counts", data=np.ones(1000), chunks=(100,), compression="gzip", shuffle=True)

    with safe_open(hostile(fill)) as file:
        assert file["alias"].asstr()[0] == "ü"
        assert file[file["who"][()]].name == "/units"
        assert file.mode == "r"
    assert not file


@pytest.mark.parametrize(
    "settings",
    [
        {"shape": (2**40,), "dtype": "f8", "chunks": (1024,)},
        {"shape": (2**25,), "dtype": "f8", "chunks": (2**22,), "compression": "gzip", "fillvalue": 0.0},
    ],
    ids=["declared", "compressed"],
)
def test_entries_that_unfold_are_refused_and_the_limit_can_be_raised(hostile, settings):
    def fill(file):
        bomb = file.create_dataset("bomb", **settings)
        bomb[:1024] = 0.0

    path = hostile(fill)
    assert "entry /bomb: would take" in refusal(path)
    with safe_open(path, max_ratio=1e12) as file:
        assert file["bomb"].shape == settings["shape"]


def test_many_small_entries_that_unfold_together_are_refused(hostile):
    def fill(file):
        for i in range(40):
            file.create_dataset(str(i), (3 * MIB,), "f8", chunks=(1024,))

    assert "all entries together" in refusal(hostile(fill))


def test_an_error_of_the_caller_passes_through_and_the_file_is_closed(save):
    with pytest.raises(ZeroDivisionError), safe_open(save(dataset())) as file:
        raise ZeroDivisionError
    assert not file


# What a recording must say


def test_a_valid_file_is_read_as_written(save):
    data = dataset(velocity=(("condition", "time", "axis"), rates(n_units=2, seed=1)))
    activity = read_netcdf(save(data.transpose("unit", "axis", "time", "condition")))
    np.testing.assert_array_equal(activity.rates, data.rates)
    np.testing.assert_array_equal(activity.outputs, data.velocity)
    np.testing.assert_allclose(activity.time, data.time, atol=1e-12)
    assert (activity.dt, activity.conditions) == (0.02, ("0", "90", "180", "270"))
    assert activity.units == tuple(data.unit.values)


@pytest.mark.parametrize("name", ["reach.nc", "my reaches é 東.nc", "x" * 240 + ".nc"])
def test_reading_what_was_written_is_the_identity(tmp_path, name):
    names = ["E0", "東 unit", "<img onerror=1>", "u" * 300]
    for start, outputs in ((-0.35, rates(3, n_units=2)), (0.0, None)):
        activity = Activity(
            rates(3, n_units=4), dt=0.01, conditions=["22.5", "up", "up"], units=names, outputs=outputs, start=start
        )
        write_netcdf(activity, tmp_path / name)
        back = read_netcdf(tmp_path / name)
        np.testing.assert_array_equal(back.rates, activity.rates)
        assert (back.outputs is None) == (outputs is None)
        assert outputs is None or (np.asarray(back.outputs) == outputs).all()
        assert (back.units, back.conditions, back.dt) == (activity.units, activity.conditions, activity.dt)
        np.testing.assert_allclose(back.time, activity.time, atol=1e-12)
    assert os.listdir(tmp_path) == [name]


def test_when_writing_fails_the_older_file_is_untouched_and_nothing_is_left(tmp_path):
    path = tmp_path / "reach.nc"
    write_netcdf(Activity(rates(), dt=0.01, conditions="abcd"), path)
    before = path.read_bytes()
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        with pytest.raises(OSError, match=r"no space left writing .*reach\.nc"):
            write_netcdf(Activity(rates(seed=1), dt=0.01, conditions="abcd"), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["reach.nc"]


def test_all_that_an_activity_carries_is_the_same_after_memory_and_after_a_file(tmp_path):
    activity = Activity(
        rates(3, n_units=4),
        dt=0.01,
        conditions=["22.5", "up", "1"],
        units=list("abcd"),
        outputs=rates(3, n_units=2, seed=1),
        start=-0.35,
        standard_error=np.where(rates(3, n_units=4) > 20, np.nan, 0.5),
        trial_counts=[3, 1, 4],
        covariates={
            "target_x": [1.5, 2.0, -1.0],
            "block": [1, 1, 2],
            "word": ["a", "東", ""],
            "pair": np.eye(3)[:, :2],
        },
        events={"go_cue_time": 0.02, "stop": 0.3},
        notes=["One was left out.", "Two lines\nof text."],
    )
    write_netcdf(activity, tmp_path / "whole.nc")
    for back in (Activity.from_xarray(activity.to_xarray()), read_netcdf(tmp_path / "whole.nc")):
        for name in ("rates", "outputs", "standard_error"):
            np.testing.assert_array_equal(getattr(back, name), getattr(activity, name))
        for name in ("units", "conditions", "dt", "trial_counts", "covariates", "events", "notes"):
            assert getattr(back, name) == getattr(activity, name)
        np.testing.assert_allclose(back.time, activity.time, atol=1e-12)
    assert all("units" in variable.attrs for variable in activity.to_xarray().data_vars.values())


def test_a_covariate_cannot_take_the_name_of_an_axis():
    with pytest.raises(ValueError, match="covariate is called 'time'"):
        Activity(rates(), dt=0.01, conditions="abcd", covariates={"time": [1, 2, 3, 4]}).to_xarray()


def test_repeats_in_a_file_may_have_covariates(tmp_path):
    path = tmp_path / "repeats.nc"
    write_netcdf(Activity(rates(), dt=0.01, conditions="abca", covariates={"block": [1, 2, 3, 4]}), path)
    mean = average_repeats(read_netcdf(path))
    assert (mean.conditions, dict(mean.covariates)) == (("a", "b", "c"), {})
    np.testing.assert_allclose(mean.rates[0], (rates()[0] + rates()[3]) / 2)


@pytest.mark.parametrize("wrong", ["conditions", "tme", "units"])
def test_a_misspelt_dimension_is_named_with_its_nearest(refused, wrong):
    right = {"conditions": "condition", "tme": "time", "units": "unit"}[wrong]
    message = refused(dataset().rename({right: wrong}))
    assert f"{right!r} (did you mean {wrong!r}? rename it)" in message


def test_missing_dimensions_are_errors_with_those_there_are(refused):
    assert "condition, time, muscle" in refused(dataset().rename(unit="muscle"))
    flat = xr.Dataset({"rates": ("sample", np.ones(9))})
    assert "'condition' or 'time' or 'unit'" in refused(flat)
    apart = dataset().isel(unit=0, drop=True).assign(other=("unit", np.ones(3)))
    assert "together" in refused(apart)


def test_two_candidates_need_a_name(refused):
    two = dataset().rename(rates="a")
    assert "several variables" in refused(two.assign(b=two.a))


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (None, "no units attribute"),
        ("counts", "divide the values by the bin width"),
        ("spikes/bin", "divide the values by the bin width"),
        ("mV", "expected spikes/s, Hz or 1/s"),
    ],
)
def test_rates_must_be_in_spikes_per_second(refused, units, message):
    attributes = {} if units is None else {"units": units}
    found = refused(dataset(rates=(("condition", "time", "unit"), rates(), attributes)))
    assert message in found
    assert 'attrs["units"] = "spikes/s"' in found


@pytest.mark.parametrize("units", ["spikes/s", "Hz", "1/s"])
def test_equal_units_by_other_names_are_taken(save, units):
    path = save(dataset(rates=(("condition", "time", "unit"), rates(), {"units": units})))
    np.testing.assert_array_equal(read_netcdf(path).rates, rates())


def with_rates(place, value):
    wrong = rates()
    wrong[place] = value
    return dataset(rates=(("condition", "time", "unit"), wrong, {"units": "Hz"}))


@pytest.mark.parametrize(("value", "what"), [(np.nan, "not finite"), (np.inf, "not finite"), (-0.1, "negative")])
def test_impossible_rates_name_the_unit_and_the_first_index(refused, value, what):
    message = refused(with_rates((2, slice(7, 9), 3), value))
    assert f"2 rates are {what}, the first of unit u3 in condition 180 at time index 7" in message


def test_constant_units_are_left_out_and_listed(save, refused):
    quiet = with_rates((slice(None), slice(None), [1, 4]), 0.0)
    with pytest.warns(DataWarning, match="u1, u4"):
        assert read_netcdf(save(quiet)).units == ("u0", "u2", "u3")
    assert "no unit ever changes" in refused(with_rates(..., 3.0))


def test_what_is_in_memory_keeps_its_other_units():
    quiet = rates()
    quiet[:, :, [1, 4]] = 0
    with pytest.warns(DataWarning, match="the activity: left out units whose rate never changes: 1, 4"):
        assert check_activity(Activity(quiet, dt=0.01, conditions="abcd")).units == ("0", "2", "3")


def test_words_are_not_rates(refused):
    words = np.full((4, 20, 5), "a")
    assert "expected numbers" in refused(dataset(rates=(("condition", "time", "unit"), words, {"units": "Hz"})))


def test_one_condition_is_an_error(refused):
    assert "one condition (90)" in refused(dataset().isel(condition=[1]))


def test_repeated_unit_names_are_errors(refused):
    assert "names repeat (a, b)" in refused(dataset(unit=("unit", list("abcab"))))


TIMES = np.arange(20) * 0.02


@pytest.mark.parametrize(
    ("time", "units", "message"),
    [
        (np.where(np.arange(20) == 7, 0.145, TIMES), "s", "samples 6 and 7 are at 0.12 and 0.145 s"),
        (TIMES[::-1], "s", "not uniform and rising"),
        (np.where(np.arange(20) == 7, np.nan, TIMES), "s", "not uniform and rising"),
        (TIMES * 1000, "s", "look like milliseconds"),
        (TIMES, "ms", "look like seconds"),
        (TIMES, "", "set them to 's' or 'ms'"),
        (TIMES, "samples", "set them to 's' or 'ms'"),
    ],
)
def test_wrong_time_axes_are_errors(refused, time, units, message):
    assert message in refused(dataset(time=("time", time, {"units": units} if units else {})))


def test_missing_time_and_too_few_samples_are_errors(refused):
    assert "no coordinate time" in refused(dataset(time=None))
    assert "4 time samples" in refused(dataset().isel(time=slice(4)))


def test_milliseconds_and_single_precision_give_the_same_step(save):
    for dtype, factor, units in (("f8", 1000, "ms"), ("f4", 1, "s"), ("f8", 1, "seconds")):
        time = ((0.3 + TIMES) * factor).astype(dtype)
        activity = read_netcdf(save(dataset(time=("time", time, {"units": units}))))
        assert activity.dt == 0.02
        np.testing.assert_allclose(activity.time[0], 0.3, atol=1e-6)


def test_behavior_must_share_the_clock_of_the_rates(save, refused):
    emg = dataset(emg=(("condition", "time_emg", "muscle"), rates(n_steps=50)))
    assert read_netcdf(save(emg)).outputs is None
    assert "on the clock of the rates" in refused(emg, outputs="emg")
    assert "no variable is called 'force'" in refused(emg, outputs="force")
    both = dataset(**{name: (("condition", "time", name[0]), rates()) for name in ("outputs", "velocity")})
    assert "say which" in refused(both)
    holes = dataset(outputs=(("condition", "time", "axis"), np.full((4, 20, 2), np.nan)))
    assert "not finite, first at condition 0" in refused(holes)


def test_hdf5_that_is_not_netcdf_is_refused(hostile):
    assert "netCDF-4" in reading_refusal(hostile(lambda file: file.create_dataset("rates", data=rates())))


# Directions


def test_angles_may_lie_beside_the_conditions_and_in_radians(save, refused):
    along = {"condition": ("condition", [0, 1, 2, 3])}
    beside = dataset(**along, direction=("condition", [-90.0, 0.0, 22.5, 90.0], {"units": "degrees"}))
    assert directions(read_netcdf(save(beside))).tolist() == [270.0, 0.0, 22.5, 90.0]
    turned = dataset(**along, direction=("condition", np.pi * np.arange(4) / 2, {"units": "radian"}))
    assert read_netcdf(save(turned)).conditions == ("0", "90", "180", "270")
    several = {name: ("condition", [0.0, 1.0, 2.0, 3.0], {"units": "degree"}) for name in ("elbow", "wrist")}
    assert "several angles" in refused(dataset(**along, **several))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["10", "11", "12"], None),
        (["0", "90", "180"], [0, 90, 180]),
        (["-45", "22.5"], [-45, 22.5]),
        (["3", "1", "2"], None),
        (["0", "1", "0", "1"], None),
        (["0", "up"], None),
        (["0", "inf"], None),
    ],
)
def test_data_and_figures_tell_directions_by_one_rule(labels, expected):
    activity = Activity(np.ones((len(labels), 6, 1)), dt=0.01, conditions=labels)
    if expected is None:
        assert style.angles(labels).tolist() == (360 * np.arange(len(labels)) / len(labels)).tolist()
        with pytest.raises(ValueError, match="are not directions"):
            directions(activity)
    else:
        assert style.angles(labels).tolist() == expected
        assert directions(activity).tolist() == [angle % 360 for angle in expected]


@pytest.mark.parametrize(
    "labels", [list("0123"), list("1234"), ["up", "down", "left", "right"], ["0", "nan", "1", "2"]]
)
def test_labels_that_are_not_angles_need_leave(labels):
    activity = Activity(np.ones((5, 6, 1)), dt=0.01, conditions=[*labels, labels[1]])
    with pytest.raises(ValueError, match=r"degrees.*assume_equal_spacing"):
        directions(activity)
    with pytest.warns(DataWarning, match=f"'{labels[1]}' at 90"):
        assert directions(activity, assume_equal_spacing=True).tolist() == [0, 90, 180, 270, 90]
