"""Recordings that cannot be fitted or compared: one sentence, exit code 2, nothing written."""

import json

import jax
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import recirc
from recirc.analyses import FitConfig, NetworkConfig
from recirc.cli import app
from recirc.data import DataWarning, read_netcdf
from recirc.runs import experiment
from recirc.studies import fit
from recirc.train import FullForce

ANGLES = np.arange(6) * 60.0


def dataset(angles=ANGLES, n_units=12, n_steps=15, dt=0.02, **changes):
    rates = np.random.default_rng(0).uniform(1, 30, (len(angles), n_steps, n_units))
    parts = {
        "rates": (("condition", "time", "unit"), rates, {"units": "spikes/s"}),
        "condition": ("condition", angles, {"units": "degree"}),
        "time": ("time", np.arange(n_steps) * dt, {"units": "s"}),
        "unit": ("unit", [f"u{i}" for i in range(n_units)]),
    } | changes
    return xr.Dataset({name: part for name, part in parts.items() if part is not None}).set_coords(
        ["condition", "time", "unit"]
    )


def save(data, path):
    data.to_netcdf(path, engine="h5netcdf")
    return path


def refused(*words, out):
    """What the command says when it refuses; it must leave no folder behind."""
    result = CliRunner().invoke(app, [*map(str, words), "--out", str(out)])
    assert result.exit_code == 2, result.output
    assert not out.exists()
    said = [line for line in result.output.splitlines() if line.startswith("recirc: ")]
    assert len(said) == 1
    return said[0]


def with_nan():
    data = dataset()
    data["rates"][2, 3, 4] = np.nan
    return data


BAD = {
    "misspelt dimension": (lambda: dataset().rename(unit="units"), "did you mean 'units'"),
    "missing dimension": (lambda: dataset().isel(time=0, drop=True), "'time'"),
    "no units attribute": (
        lambda: dataset(rates=(("condition", "time", "unit"), np.ones((6, 15, 12)))),
        "no units attribute",
    ),
    "counts": (
        lambda: dataset(rates=(("condition", "time", "unit"), np.ones((6, 15, 12)), {"units": "counts"})),
        "bin width",
    ),
    "not finite": (with_nan, "1 rates are not finite, the first of unit u4"),
    "one condition": (lambda: dataset(angles=ANGLES[:1]), "one condition"),
    "three directions": (lambda: dataset(angles=ANGLES[:3]), "3 conditions"),
    "few units": (lambda: dataset(n_units=5), "5 units that change; 4 folds need 8"),
    "no angles": (
        lambda: dataset(condition=("condition", list("abcdef"))),
        "nothing is known of conditions but names, such as 'a' with 1 trials",
    ),
    "uneven time": (lambda: dataset(time=("time", np.arange(15) ** 1.5 * 0.02, {"units": "s"})), "not uniform"),
    "silent behavior": (
        lambda: dataset(outputs=(("condition", "time", "output"), np.zeros((6, 15, 2)))),
        "outputs are zero everywhere",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_recording_that_cannot_be_fitted_is_refused_before_anything_is_written(name, tmp_path):
    make, words = BAD[name]
    assert words in refused("fit", save(make(), tmp_path / "bad.nc"), out=tmp_path / "run")


def test_no_file_and_no_known_format_are_refused(tmp_path):
    assert "no such file" in refused("fit", tmp_path / "absent.nc", out=tmp_path / "run")
    (tmp_path / "text.nc").write_text("rates\n")
    assert "the format is not known" in refused("fit", tmp_path / "text.nc", out=tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--recorded-fraction", "0.9"], "at most 0.75"),
        (["--recorded-fraction", "0.01"], "4 folds, with 0.01 of the units recorded, need 51 or more"),
        (["--set", "network.n_units=5"], "9 recorded units cannot drive a network of 5"),
        (["--set", "dt=0.03"], "below half the network's time constant"),
        (["--set", "n_fold=3"], "n_folds"),
        (["--set", "trainer.n_passes=0"], "n_passes"),
        (["--set", "penalties=[]"], "need a candidate each"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_before_anything_is_written(options, words, tmp_path):
    data = save(dataset(), tmp_path / "good.nc")
    assert words in refused("fit", data, *options, out=tmp_path / "run")


def test_what_was_in_the_folder_before_stays(tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    result = CliRunner().invoke(app, ["fit", str(save(dataset(), tmp_path / "a.nc")), "--out", str(out)])
    assert result.exit_code == 2
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_silent_units_are_left_out_and_listed_in_the_report(tmp_path, monkeypatch):
    data = dataset()
    data["rates"][:, :, 3] = 0.0
    monkeypatch.setattr(experiment, "FolderMap", lambda folder, **how: map)
    config = FitConfig(
        network=NetworkConfig(n_units=15), trainer=FullForce(n_passes=1), n_seeds=1, n_folds=2, bias_scales=(0.5,),
        gain_factors=(), drive_factors=(), noise_factors=(), penalties=(0.01,),
    )  # fmt: skip
    with pytest.warns(DataWarning, match="never changes: u3"):
        experiment.run(fit.experiment(save(data, tmp_path / "a.nc"), config, seed=0), tmp_path / "run")
    text = json.loads((tmp_path / "run" / "report.json").read_text())
    assert "u3" in text["sections"][-2]["text"]


def in_memory(**changes):
    return recirc.Activity(
        **{"rates": np.random.default_rng(0).uniform(1, 30, (6, 15, 12)), "dt": 0.02, "conditions": ANGLES, **changes}
    )


IN_MEMORY = {
    "not finite": (lambda: in_memory(rates=in_memory().rates.at[2, 3, 4].set(np.nan)), "1 rates are not finite"),
    "negative": (lambda: in_memory(rates=in_memory().rates.at[2, 3, 4].set(-1.0)), "1 rates are negative"),
    "one condition": (lambda: in_memory(conditions=["0"] * 6), "one condition"),
    "repeated names": (lambda: in_memory(units=["a"] * 12), "unit names repeat"),
    "wrong axes": (lambda: in_memory(rates=np.ones((6, 12))), "three axes"),
    "three directions": (lambda: in_memory().select([0, 1, 2]), "3 conditions"),
    "few units": (lambda: in_memory().select_units("01234"), "5 units that change; 4 folds need 8"),
    "no angles": (
        lambda: in_memory(conditions=list("abcdef")),
        "nothing is known of conditions but names, such as 'a' with 1 trials",
    ),
    "silent behavior": (lambda: in_memory(outputs=np.zeros((6, 15, 2))), "outputs are zero everywhere"),
    "holes in behavior": (
        lambda: in_memory(outputs=np.where(np.arange(180).reshape(6, 15, 2) == 32, np.nan, 1.0)),
        "the activity, variable outputs: not finite, first at condition 1, time index 1, channel 0; repair it first",
    ),
    "milliseconds": (lambda: in_memory(dt=20), "dt is 20 s, which looks like milliseconds"),
}


@pytest.mark.parametrize("name", IN_MEMORY)
def test_data_in_memory_gets_the_sentences_that_files_get(name):
    make, words = IN_MEMORY[name]
    with pytest.raises(ValueError, match=words):
        recirc.analyses.fit_recording(make(), key=jax.random.key(0))


def test_what_is_no_activity_configuration_or_key_is_named(signatures_unchecked):
    rates, key = np.ones((6, 15, 12)), jax.random.key(0)
    fit_recording, likeness, draw = recirc.analyses.fit_recording, recirc.analyses.likeness, recirc.figures.draw
    for call, words in (
        (lambda: fit_recording(rates, key=key), "the activity is of type ndarray; give an Activity"),
        (lambda: fit_recording(dataset(), key=key), "the activity is of type Dataset"),
        (lambda: fit_recording(in_memory(), {"n_seeds": 1}, key=key), "config is of type dict"),
        (lambda: fit_recording(in_memory(), key=0), "key is 0; give one random key"),
        (lambda: fit_recording(in_memory(), key=jax.random.split(key)), r"key is an array of shape \(2,\)"),
        (lambda: likeness(in_memory(), "a.nwb", key=key), "the second activity is of type str"),
        (lambda: likeness(in_memory(), in_memory(), key=0), "key is 0"),
        (lambda: recirc.analyses.degeneracy([], [], key=0), "key is 0"),
        (lambda: recirc.data.check_activity(rates), "the activity is of type ndarray"),
        (lambda: recirc.Activity.from_xarray(dataset()["rates"]), "dataset is of type DataArray; give a Dataset"),
        (lambda: draw(rates, "outputs"), "result is of type ndarray"),
    ):
        with pytest.raises(TypeError, match=words):
            call()


@pytest.mark.parametrize("cue", [-0.1, 0.5])
def test_a_go_cue_outside_of_the_recording_is_refused(cue):
    with pytest.raises(ValueError, match=f"go_cue is {cue} s, and the recording runs from 0 to 0.3 s"):
        recirc.analyses.fit_recording(in_memory(), FitConfig(go_cue=cue), key=jax.random.key(0))


def test_likeness_refuses_what_would_spoil_it_at_the_end():
    activity, key = in_memory(), jax.random.key(0)
    holes = activity.replace(rates=activity.rates.at[2, 3, 4].set(np.nan))
    with pytest.raises(ValueError, match="n_draws must be at least 1, got 0"):
        recirc.analyses.likeness(activity, activity, key=key, n_draws=0)
    with pytest.raises(ValueError, match="single_trials: 1 rates are not finite"):
        recirc.analyses.likeness(activity, activity, key=key, single_trials=holes)


def test_activities_that_do_not_match_are_refused_and_never_cut(tmp_path):
    good = save(dataset(), tmp_path / "good.nc")
    for name, other, words in (
        ("angles", dataset(angles=ANGLES + 10), "different conditions"),
        ("fewer", dataset(angles=ANGLES[:5]), "different conditions"),
        ("longer", dataset(n_steps=16), "different time axes"),
        ("slower", dataset(dt=0.03), "different time axes"),
        ("later", dataset(time=("time", 1 + np.arange(15) * 0.02, {"units": "s"})), "start at 0 s and 1 s"),
    ):
        assert words in refused("compare", good, save(other, tmp_path / f"{name}.nc"), out=tmp_path / "run")


def test_a_folder_without_a_networks_activity_is_refused(tmp_path):
    good, folder = save(dataset(), tmp_path / "good.nc"), tmp_path / "empty"
    folder.mkdir()
    assert "without activity.nc" in refused("compare", good, folder, out=tmp_path / "run")
    save(dataset().rename(rates="other"), folder / "activity.nc")
    assert "no rates of a network" in refused("compare", folder, good, out=tmp_path / "run")


def test_one_similarity_that_cannot_be_had_leaves_the_others(tmp_path):
    """Ten noisy units have more dimensions than five samples per condition can tell apart."""
    short = read_netcdf(save(dataset(n_steps=5), tmp_path / "short.nc"))
    with pytest.warns(UserWarning, match="(25|30) samples for 1[02] dimensions"):
        table = recirc.analyses.likeness(short, short, key=jax.random.key(0), n_draws=5).table
    failed = table[~np.isfinite(table["value"])]
    assert 0 < len(failed) < len(table)
    assert failed["outcome"].str.contains("samples").all()
