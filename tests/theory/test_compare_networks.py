"""`recirc compare NETWORK RECORDING --trials FILE`: a network from a file is what it is in memory."""

import jax
import numpy as np
import pytest
import scipy.io

import recirc
from recirc.circuits import RateNetwork, from_arrays
from recirc.data import DataFileError, read_trials, write_netcdf, write_trials
from recirc.runs.experiment import run
from recirc.studies import compare

CONFIG = compare.CompareConfig(n_draws=2)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network with its trials, and as recordings what it did from the movement on, and what another one did."""
    folder = tmp_path_factory.mktemp("networks")
    trials = recirc.tasks.CenterOutReach(dt=0.01).trials(8, key=jax.random.key(0))
    network, other = (RateNetwork.random(n_units=30, time_constant=0.05, key=jax.random.key(seed)) for seed in (1, 2))
    network.to_npz(folder / "network.npz")
    other.to_safetensors(folder / "other.safetensors")
    write_trials(trials, folder / "trials.npz")
    onset = trials.epochs["movement"][0, 0]
    for name, each in {"itself": network, "other": other}.items():
        made = recirc.simulate(each, trials, key=jax.random.key(0)).replace(outputs=None, start=-onset)
        kept = np.flatnonzero(made.time > 0.05)
        start = float(made.time[kept[0]] - made.dt)
        rates = 20 + 10 * np.asarray(made.rates)[::-1, kept]
        cut = made.replace(rates=rates, start=start, conditions=made.conditions[::-1])
        write_netcdf(cut, folder / f"{name}.nc")
    return folder


def values(files, a, b, tmp_path, **how):
    found = run(compare.experiment(files / a, files / b, CONFIG, **how), tmp_path / "run")
    return found.table.drop_duplicates("metric").set_index("metric")["value"]


@pytest.mark.parametrize("sides", [("network.npz", "itself.nc"), ("itself.nc", "network.npz")])
def test_a_network_is_like_the_recording_of_itself(files, sides, tmp_path):
    """Conditions in another order and the clock from the movement on are found."""
    found = values(files, *sides, tmp_path, trials=files / "trials.npz")
    assert found["linear_cka"] == pytest.approx(1, abs=1e-6)
    assert found["procrustes_angle"] == pytest.approx(0, abs=1e-3)


def test_it_is_not_like_another_and_two_networks_can_be_compared(files, tmp_path):
    with_recording = values(files, "network.npz", "other.nc", tmp_path / "a", trials=files / "trials.npz")
    with_network = values(files, "network.npz", "other.safetensors", tmp_path / "b", trials=files / "trials.npz")
    assert with_recording["procrustes_angle"] > 0.1
    assert with_network["procrustes_angle"] > 0.1


@pytest.mark.parametrize("name", ["foreign.npz", "foreign.mat"])
def test_weights_of_another_package_are_compared_as_they_are(files, name, tmp_path):
    """A state dict names no time step, which is then that of the trials."""
    random = np.random.default_rng(0)
    weights = {"rnn.weight_hh_l0": random.normal(size=(30, 30)) / 5, "rnn.weight_ih_l0": random.normal(size=(30, 2))}
    network = from_arrays(weights, dt=0.01)
    network.to_npz(tmp_path / "own.npz")
    if name.endswith("npz"):
        np.savez(tmp_path / name, **weights)
    else:
        scipy.io.savemat(tmp_path / name, network.to_arrays())
    found = values(files, tmp_path / name, tmp_path / "own.npz", tmp_path, trials=files / "trials.npz")
    assert found["procrustes_angle"] == pytest.approx(0, abs=1e-6)


def test_how_a_network_moves_is_said_beside(tmp_path):
    """A delayed reach tells the mechanism; other trials tell why they do not."""
    network = RateNetwork.random(n_units=20, n_inputs=3, n_outputs=4, time_constant=0.05, key=jax.random.key(1))
    network.to_npz(tmp_path / "network.npz")
    reach = recirc.tasks.DelayedReach(hold=0.1, delay=0.2, dt=0.01).trials(4, key=jax.random.key(0))
    made = recirc.simulate(network, reach, key=jax.random.key(0))
    go = reach.epochs["movement"][0, 0]
    cases = (
        (reach, go, "Undetermined"),
        (reach.replace(epochs={}), 0.0, "not judged, since the trials have no epoch"),
        (
            reach.replace(targets=np.zeros((*reach.inputs.shape[:2], 0))),
            go,
            "not judged, since trials.npz has no targets",
        ),
    )
    for trials, onset, told in cases:
        write_trials(trials, tmp_path / "trials.npz")
        write_netcdf(made.replace(rates=20 + 10 * made.rates, outputs=None, start=-onset), tmp_path / "itself.nc")
        paths = tmp_path / "network.npz", tmp_path / "itself.nc"
        found = run(compare.experiment(*paths, CONFIG, trials=tmp_path / "trials.npz"), tmp_path / told[-8:])
        assert found.sentences["mechanism of network.npz"].startswith(f"Mechanism of network.npz: {told}")
        assert f"Mechanism of network.npz: {told}" in (tmp_path / told[-8:] / "report.html").read_text()


def test_what_drives_a_network_must_be_said_and_fit(files, tmp_path):
    with pytest.raises(ValueError, match=r"nothing says what drives it; give --trials FILE"):
        compare.experiment(files / "network.npz", files / "itself.nc")
    with pytest.raises(ValueError, match="has nothing to drive"):
        compare.experiment(files / "itself.nc", files / "other.nc", trials=files / "trials.npz")
    with pytest.raises(DataFileError, match="no array is called 'inputs'"):
        compare.experiment(files / "network.npz", files / "itself.nc", trials=files / "network.npz")
    narrow = read_trials(files / "trials.npz")
    write_trials(narrow.replace(inputs=narrow.inputs[..., :1]), tmp_path / "narrow.npz")
    with pytest.raises(ValueError, match="the circuit has 2 inputs but the trials give 1"):
        compare.experiment(files / "network.npz", files / "itself.nc", trials=tmp_path / "narrow.npz")
    leaky = tmp_path / "leaky.npz"
    np.savez(leaky, W=np.eye(3), W_in=np.ones((3, 2)), nonlinearity="tanh")
    with pytest.raises(ValueError, match=r"leaky.npz: tau is missing"):
        compare.experiment(leaky, files / "itself.nc", trials=files / "trials.npz")
    from_arrays(weight_hh=np.eye(3), weight_ih=np.ones((3, 2)), dt=0.5).to_npz(tmp_path / "slow.npz")
    with pytest.raises(ValueError, match=r"steps of 0.5 s"):
        compare.experiment(tmp_path / "slow.npz", files / "itself.nc", trials=files / "trials.npz")


def test_trials_come_back_from_their_file(tmp_path):
    trials = recirc.tasks.DelayedReach(delay=(0.2, 0.4)).trials(4, key=jax.random.key(0))
    write_trials(trials, tmp_path / "trials.npz")
    back = read_trials(tmp_path / "trials.npz")
    for name in ("inputs", "targets", "mask"):
        np.testing.assert_array_equal(getattr(back, name), getattr(trials, name))
    assert (back.dt, back.conditions, set(back.epochs)) == (trials.dt, trials.conditions, set(trials.epochs))
    np.testing.assert_array_equal(back.epochs["movement"], trials.epochs["movement"])
    np.savez(tmp_path / "odd.npz", inputs=np.ones((2, 9, 1)), dt=0.01, conditions="ab", colour=1)
    with pytest.raises(DataFileError, match="colour"):
        read_trials(tmp_path / "odd.npz")
    for wrong, told in (
        ({"inputs": np.array([["a"]])}, "inputs holds <U1"),
        ({"dt": "x"}, "dt holds <U1"), ({"dt": []}, "dt has shape"),
        ({"epoch_movement": (0.1, 0.2, 0.3)}, r"epoch_movement has shape \(3,\); give start and stop"),
    ):  # fmt: skip
        np.savez(tmp_path / "bad.npz", **({"inputs": np.ones((2, 9, 1)), "dt": 0.01, "conditions": ["a", "b"]} | wrong))
        with pytest.raises(DataFileError, match=rf"bad.npz: {told}"):
            read_trials(tmp_path / "bad.npz")
    np.savez(tmp_path / "few.npz", inputs=np.ones((2, 9, 1)), dt=0.01, conditions=["a"])
    with pytest.raises(DataFileError, match=r"few.npz: 1 condition labels for 2 trials"):
        read_trials(tmp_path / "few.npz")
