"""Values of what is read, held to a direct computation from what was written, for every reader."""

import importlib.util
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

import recirc
from recirc.data import Preprocessing, read_prepared

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("fuzz", ROOT / "benchmarks" / "fuzz.py")
fuzz = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fuzz)
DT, SD, N_TRIALS, N_UNITS, N_BINS, GO = 0.01, 0.03, 24, 5, 90, 40
ANGLES = np.tile(np.arange(4) * 90.0, 6)
CHAIN = Preprocessing(window=(-0.2, 0.4), minimum_reliability=-1, rectify=())


def made():
    """Counts (trial, bin, unit) and velocity (trial, bin, 2) of trials of 0.9 s, the go cue 0.4 s after their start."""
    random = np.random.default_rng(0)
    bump = np.exp(-(((np.arange(N_BINS) - GO - 20) / 12) ** 2))
    turn = np.deg2rad(ANGLES)
    tuning = 1 + np.cos(turn[:, None] - np.arange(N_UNITS))
    counts = random.poisson(0.1 + 0.3 * bump[None, :, None] * tuning[:, None, :])
    velocity = bump[None, :, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)[:, None, :]
    return counts, velocity + random.normal(0, 0.01, velocity.shape)


def direct(counts, velocity):
    """Average rates and velocity by condition, by sums alone."""
    bins = np.arange(N_BINS)
    window = np.arange(GO - 20, GO + 40)
    near = np.abs(bins - window[:, None])
    reach = (bins >= window[0] - 12) & (bins < window[-1] + 13)  # four standard deviations beyond the window
    weights = np.where(reach & (near <= 24), np.exp(-0.5 * (near * DT / SD) ** 2), 0)
    rates = np.einsum("wb,tbu->twu", weights / weights.sum(axis=1, keepdims=True), counts / DT)
    places = [angle == ANGLES for angle in np.unique(ANGLES)]
    return [np.stack([values[place].mean(axis=0) for place in places]) for values in (rates, velocity[:, window])]


def write_nwb(path, counts, velocity):
    start, spikes = 2.0 + 1.5 * np.arange(N_TRIALS), []
    for unit in range(N_UNITS):
        trial, place = np.nonzero(counts[:, :, unit])
        n = counts[trial, place, unit]
        base = np.repeat(start[trial] + place * DT, n)
        nth = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        spikes.append(base + DT * (nth + 0.5) / np.repeat(n, n))
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        table = file.create_group("intervals/trials")
        go = start + GO * DT
        for name, values in (("start_time", start), ("stop_time", start + N_BINS * DT), ("go_cue_time", go)):
            table[name] = values
        table["target_dir"] = np.deg2rad(ANGLES)
        file["units/id"] = np.arange(N_UNITS)
        file["units/spike_times"] = np.concatenate(spikes)
        file["units/spike_times_index"] = np.cumsum([len(times) for times in spikes])
        hand = file.create_group("processing/behavior/hand_vel")
        hand["data"] = np.repeat((velocity.reshape(-1, 2) - 0.5) / 0.001, 2, axis=0)
        hand["data"].attrs.update(conversion=0.001, offset=0.5, unit="m/s")
        within = np.arange(2 * N_BINS) * DT / 2 + DT / 4
        hand["timestamps"] = (start[:, None] + within).ravel()


def write_matlab(path, counts, velocity):
    rows = np.empty(N_TRIALS, [(n, object) for n in ("bin_size", "idx_go_cue", "target_dir", "M1_spikes", "vel")])
    for i in range(N_TRIALS):
        values = DT, GO + 1.0, np.deg2rad(ANGLES[i]), counts[i].astype(float), velocity[i]
        for name, value in zip(rows.dtype.names, values):
            rows[name][i] = value
    if path.suffix == ".73":
        fuzz.write_matlab73(path, "trial_data", rows)
    else:
        scipy.io.savemat(path, {"trial_data": rows}, appendmat=False)


@pytest.mark.parametrize(("name", "write"), [("a.nwb", write_nwb), ("a.5", write_matlab), ("a.73", write_matlab)])
def test_averages_of_a_session_are_those_of_a_direct_computation(tmp_path, name, write):
    counts, velocity = made()
    write(tmp_path / name, counts, velocity)
    found = read_prepared(tmp_path / name, CHAIN, for_fit=False).averages
    rates, outputs = direct(counts, velocity)
    assert found.conditions == ("0", "90", "180", "270")
    np.testing.assert_allclose(found.rates, rates, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.outputs, outputs, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore::recirc.data.DataWarning")
def test_averages_are_read_as_they_were_written(tmp_path):
    counts, velocity = made()
    rates, outputs = direct(counts, velocity)
    activity = recirc.Activity(rates, dt=DT, start=-0.2, conditions=["0", "90", "180", "270"], outputs=outputs)
    recirc.data.write_netcdf(activity, tmp_path / "a.nc")
    np.savez(tmp_path / "a.npz", rates=rates.transpose(2, 0, 1) * DT, velocity=outputs)
    (tmp_path / "a.toml").write_text(
        'file = "a.npz"\narray = "rates"\naxes = ["unit", "condition", "time"]\ndt = 0.01\nstart = -0.2\n'
        'units = "counts"\noutputs = "velocity"\nconditions = ["0", "90", "180", "270"]\n'
    )
    rows = np.empty(4, [("A", object), ("times", object)])
    for i in range(4):
        rows["A"][i], rows["times"][i] = rates[i], (-190.0 + 10 * np.arange(60))[:, None]
    scipy.io.savemat(tmp_path / "a.mat", {"Data": rows})
    for name in ("a.nc", "a.toml", "a.mat"):
        found = recirc.read(tmp_path / name)
        np.testing.assert_allclose(found.rates, rates, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.time, activity.time, atol=1e-12)
        if name != "a.mat":
            np.testing.assert_allclose(found.outputs, outputs, rtol=1e-12, atol=1e-12)
