"""What is wrong with a network is said in a sentence, before anything is simulated."""

import json
import pathlib
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
from typer.main import get_command

from recirc.circuits import RateNetwork, from_arrays, from_step, read_network, simulate
from recirc.cli import app
from recirc.compare import NoTarget, SlowestMode, mechanism_of, states_along
from recirc.data import DataFileError, read_trials
from recirc.data.array_files import write_safetensors
from recirc.studies import compare
from recirc.tasks import DelayedReach
from recirc.types import Trials


@pytest.mark.parametrize("tau", [100, np.full(4, 100.0), 0, -0.1, np.nan, "slow", {}])
def test_a_time_constant_is_seconds_whatever_the_step(tau):
    """A tau in milliseconds beside a dt in seconds would make a network that stands still."""
    with pytest.raises(ValueError, match="tau is"):
        from_arrays(np.eye(4), dt=0.01, tau=tau, nonlinearity="tanh")


def test_a_step_is_a_number_of_seconds():
    plain = {"W": np.eye(4), "tau": 0.1, "nonlinearity": "tanh"}
    for dt in ("fast", np.ones(2) / 100, 10):
        with pytest.raises(ValueError, match="dt is"):
            from_arrays(plain | {"dt": dt})
    assert from_arrays(plain | {"dt": np.array([[0.01]])}).time_step == 0.01


def test_a_slow_rate_network_is_read_again(tmp_path):
    """What this package writes it reads, however slow the units."""
    RateNetwork.random(n_units=5, time_constant=20.0, key=jax.random.key(0)).to_npz(tmp_path / "slow.npz")
    assert read_network(tmp_path / "slow.npz").to_arrays()["time_constant"] == 20.0


def test_a_vector_of_a_wrong_length_is_not_to_be_transposed():
    with pytest.raises(ValueError, match=r"expected \(4,\); give one number per row"):
        from_arrays(np.eye(4), bias=0.0, dt=0.01, tau=0.1, nonlinearity="tanh")


@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_the_name_of_a_file_is_no_array(kind):
    with pytest.raises(ValueError, match=r"'mine.npz' is no array; .* circuits.read_network reads files"):
        from_arrays(kind("mine.npz"), dt=0.01)


def test_rows_of_unequal_lengths_are_told_by_the_name_of_what_has_them():
    ragged = [[0.0, 1.0], [1.0]]
    for given, name in (({"W": ragged}, "W"), ({"W": np.eye(2), "W_in": ragged}, "W_in")):
        with pytest.raises(ValueError, match=f"{name} has rows of unequal lengths"):
            from_arrays(given, dt=0.01, tau=0.1, nonlinearity="tanh")


ODD = np.ones((2, 7))  # fits nothing beside four units


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"W": np.eye(4), "W_in": ODD}, "W_in"),
        ({"W": np.eye(4), "W_out": ODD}, "W_out"),
        ({"W": ODD}, "W, the recurrent weights,"),
        ({"W_rec": np.eye(4), "W_out": np.ones((2, 4)), "b_out": ODD}, "b_out"),
        ({"Wrec": np.eye(4), "x0": ODD}, "x0"),
        ({"rnn.weight_hh_l0": np.eye(4), "rnn.weight_ih_l0": ODD}, "rnn.weight_ih_l0"),
        ({"weight_hh": np.eye(4), "weight_ih": np.ones((4, 1)), "bias_ih": ODD, "bias_hh": ODD}, "bias_ih"),
        ({"weight_hh": np.ones((12, 4)), "weight_ih": np.ones((12, 1)), "bias_hh": ODD}, "bias_hh"),
        ({"weight_hh": np.eye(4), "weight_ih": np.ones((4, 1)), "out.weight": ODD}, "out.weight"),
        ({"weight_hh": np.eye(4), "weight_ih": np.ones((4, 1)), "W_out": ODD}, "W_out"),
        ({"recurrent": np.eye(4), "input_weights": ODD, "form": "current"}, "input_weights"),
    ],
)
def test_a_wrong_shape_is_told_by_the_name_that_was_given(given, name):
    with pytest.raises(ValueError, match=f"^{name} has shape"):
        from_arrays(given, dt=0.01)


def test_python_objects_in_a_file_are_told_and_not_dropped(tmp_path):
    """Without its bias, a network would be another one; None, as PsychRNN saves it, is none."""
    path, plain = tmp_path / "net.npz", {"W": np.eye(2), "tau": 0.1, "nonlinearity": "tanh"}
    for name, values in (("W", np.eye(2)), ("bias", [1, 2])):
        np.savez(path, **(plain | {name: np.array(values, object)}))  # pyright: ignore[reportArgumentType]
        with pytest.raises(DataFileError, match=rf"{name}.npy: Python objects, .*; save np.asarray\(x, float\)"):
            read_network(path, dt=0.01)
    np.savez(path, weights=np.array(plain, object), dt=0.01)
    with pytest.raises(ValueError, match=r"Names given: weights \(None, or a Python object, which is never read"):
        read_network(path)
    np.savez(path, **plain, W_in=np.array(None), dt=np.array(None))
    assert read_network(path, dt=0.01).n_inputs == 0


def test_labels_of_trials_that_are_python_objects_are_told(tmp_path):
    path, plain = tmp_path / "trials.npz", {"inputs": np.ones((2, 9, 1)), "dt": 0.01}
    for conditions, told in (
        (np.array(["a", "b"], object), r"conditions.npy: Python objects, .* names as np.asarray\(x, str\)"),
        (np.array({"a", "b"}), "conditions is None or another Python object"),
    ):
        np.savez(path, **plain, conditions=conditions)
        with pytest.raises(DataFileError, match=told):
            read_trials(path)
    np.savez(path, **plain, conditions=["a", "b"], mask=np.array(None))
    assert read_trials(path).mask is not None


@pytest.mark.parametrize("is_struct", [False, True])
def test_remarks_in_a_matlab_file_are_no_weights(tmp_path, is_struct):
    remarks = {"comment": "trained on Monday", "authors": np.array(["a", "b"], object), "date": ""}
    weights = {"W": np.eye(3), "tau": 0.1, "nonlinearity": "relu"} | remarks
    scipy.io.savemat(tmp_path / "net.mat", {"net": weights} | remarks if is_struct else weights)
    assert read_network(tmp_path / "net.mat", dt=0.01).to_arrays()["nonlinearity"] == "relu"
    conditions = np.array(["left", "right"], object)
    trials = {"inputs": np.ones((2, 9, 1)), "dt": 0.01, "conditions": conditions} | remarks
    scipy.io.savemat(tmp_path / "trials.mat", {"trials": trials} if is_struct else trials)
    assert read_trials(tmp_path / "trials.mat").conditions == ("left", "right")


def test_trials_come_from_safetensors_and_the_command_says_so(tmp_path):
    path = tmp_path / "trials.safetensors"
    inputs = np.arange(18.0).reshape(2, 9, 1)
    write_safetensors(path, {"inputs": inputs, "dt": np.array(0.01), "conditions": np.array([0, 90])})
    trials = read_trials(path)
    np.testing.assert_array_equal(trials.inputs, inputs)
    assert (trials.dt, trials.conditions) == (0.01, ("0", "90"))
    command = get_command(app).commands["compare"]  # pyright: ignore[reportAttributeAccessIssue]
    assert "safetensors" in next(each.help for each in command.params if each.name == "trials")


def called_back(x, u):
    return jax.pure_callback(np.tanh, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="sequential")


@pytest.mark.parametrize(
    "step",
    [
        lambda x, u: np.tanh(np.asarray(x)),
        lambda x, u: x if x[0] > 0 else -x,
        lambda x, u: x + jnp.ones((2, 3)) @ u,
        called_back,
    ],
    ids=["numpy", "if", "other inputs", "no derivative"],
)
def test_a_step_must_be_a_function_of_jax_that_can_be_differentiated(step):
    with pytest.raises(ValueError, match=r"step is no function of JAX, of \(2,\) and \(1,\)"):
        from_step(step, lambda x: x, np.zeros(2), dt=0.01, n_inputs=1)


@pytest.mark.usefixtures("signatures_unchecked")
@pytest.mark.parametrize("dt", [10, 0.6, 0, -0.01, np.nan, None, "fast", np.ones(2) / 100])
def test_a_step_of_a_function_has_the_bound_and_the_words_of_one_of_arrays(dt):
    told = []
    for make in (
        lambda: from_step(lambda x, u: x, lambda x: x, np.zeros(2), dt=dt, n_inputs=1),
        lambda: from_arrays(np.eye(2), tau=0.1, nonlinearity="tanh", dt=dt),
    ):
        with pytest.raises(ValueError, match=r"dt is .*give (seconds|numbers)") as refused:
            make()
        told.append(str(refused.value))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ("rest", "has values of type <U4"), ([[0, 1], [2]], "has rows of unequal lengths"),
        ([[0, 1]], r"has shape \(1, 2\)"),
    ],
)  # fmt: skip
def test_an_initial_state_is_one_row_of_numbers(start, told):
    with pytest.raises(ValueError, match=f"initial_state .*{told}"):
        from_step(lambda x, u: x, lambda x: x, start, dt=0.01, n_inputs=1)


def test_rates_and_outputs_must_be_functions_of_jax():
    wrong = lambda x: jnp.ones((3, 3)) @ x  # noqa: E731
    for rates, outputs, name in ((wrong, None, "rates"), (jnp.tanh, wrong, "outputs")):
        with pytest.raises(ValueError, match=f"{name} is no function"):
            from_step(lambda x, u: x, rates, np.zeros(2), dt=0.01, n_inputs=1, outputs=outputs)


@pytest.mark.parametrize(
    "ask", [NoTarget(), SlowestMode(), mechanism_of, lambda network, trials, key: states_along(network, trials)]
)
def test_all_that_runs_a_network_says_where_its_inputs_are_not_those_of_the_trials(ask):
    trials = DelayedReach(hold=0.2, delay=0.2, dt=0.01).trials(4, key=jax.random.key(0))
    network = from_arrays(np.eye(6) / 2, np.ones((6, 2)), np.ones((4, 6)), dt=0.01, tau=0.1, nonlinearity="tanh")
    with pytest.raises(ValueError, match="the circuit has 2 inputs but the trials give 3"):
        ask(network, trials, key=jax.random.key(0))


@pytest.mark.usefixtures("signatures_unchecked")
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"key": 0}, "key is 0; give one random key"),
        ({"trials": np.zeros((1, 9, 2))}, "trials is of type ndarray; give Trials"),
        ({"circuit": np.eye(6)}, "circuit is of type ndarray; give a circuit"),
    ],
)
def test_a_simulation_says_what_it_is_not_given(wrong, told):
    given = {
        "circuit": from_arrays(np.eye(6) / 2, dt=0.01, tau=0.1, nonlinearity="tanh"),
        "trials": Trials(np.zeros((1, 9, 0)), np.zeros((1, 9, 0)), dt=0.01, conditions=["a"]),
        "key": jax.random.key(0),
    } | wrong
    with pytest.raises(TypeError, match=told):
        simulate(**given)


def test_words_about_a_safetensors_file_are_no_weights(tmp_path):
    path = tmp_path / "network.safetensors"
    write_safetensors(path, {"W": np.eye(3), "tau": np.array(0.1), "nonlinearity": np.array("relu")})
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] |= {"author": "somebody", "epoch": "7"}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    assert read_network(path, dt=0.01).to_arrays()["nonlinearity"] == "relu"


def test_a_network_from_matlab_without_trials_is_called_one(tmp_path):
    scipy.io.savemat(tmp_path / "net.mat", {"net": {"W": np.eye(3), "W_in": np.ones((3, 1)), "tau": 0.1}})
    with pytest.raises(ValueError, match=r"net.mat is a network, and nothing says what drives it; give --trials FILE"):
        compare.experiment(tmp_path / "net.mat", tmp_path / "net.mat")
