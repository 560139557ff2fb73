"""Networks that others made do here what they did there: PyTorch's own, and the published equations of the rest."""

import dataclasses
import json
import struct
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io

import recirc
from recirc.circuits import RateNetwork, from_arrays, from_step, read_network, simulate
from recirc.data import DataFileError

N_UNITS, N_INPUTS, N_STEPS, N_TRIALS = 64, 3, 500, 5
CLOSE = 1e-5


def inputs():
    return np.random.default_rng(3).normal(size=(N_TRIALS, N_STEPS, N_INPUTS)).cumsum(axis=1) / 10


def states(network, given=None):
    given = inputs() if given is None else given
    trials = recirc.Trials(given, np.zeros((*given.shape[:2], 0)), dt=network.time_step, conditions=range(len(given)))
    return np.asarray(simulate(network, trials, key=jax.random.key(0)).rates)


def weights(seed, *shapes, gain=1.0):
    random = np.random.default_rng(seed)
    return [random.normal(size=shape) * gain / np.sqrt(shape[-1]) for shape in shapes]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- PyTorch itself, where it is installed (group "torch")


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch


def run(torch, layer):
    with torch.no_grad():
        return layer(torch.tensor(inputs(), dtype=torch.float32))[0].numpy()


def apart(made, expected):
    """Largest difference of any state, which `nox -s torch -- -rP` shows."""
    assert made.shape == expected.shape
    print(f"largest difference {(largest := np.abs(made - expected).max()):.1e}")
    return largest


def arrays_of(layer):
    return {name: tensor.numpy() for name, tensor in layer.state_dict().items()}


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_a_pytorch_rnn_has_the_same_states(torch, nonlinearity):
    layer = torch.nn.RNN(N_INPUTS, N_UNITS, nonlinearity=nonlinearity, batch_first=True)
    made = states(from_arrays(arrays_of(layer), nonlinearity=nonlinearity, dt=0.01))
    assert apart(made, run(torch, layer)) < CLOSE


def test_a_pytorch_gru_has_the_same_states(torch):
    layer = torch.nn.GRU(N_INPUTS, N_UNITS, batch_first=True)
    assert apart(states(from_arrays(arrays_of(layer), dt=0.01)), run(torch, layer)) < CLOSE


@pytest.mark.parametrize("form", ["current", "rate", "outside"])
def test_a_leaky_pytorch_network_has_the_same_states(torch, form):
    """The three ways in which such layers are written, with a leak of a fifth."""

    class Leaky(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.input2h, self.h2h = torch.nn.Linear(N_INPUTS, N_UNITS), torch.nn.Linear(N_UNITS, N_UNITS)

        def forward(self, given):
            hidden, seen, f = torch.zeros(len(given), N_UNITS), [], torch.tanh
            for now in given.unbind(1):
                if form == "current":
                    hidden = 0.8 * hidden + 0.2 * (self.input2h(now) + self.h2h(f(hidden)))
                elif form == "rate":
                    hidden = 0.8 * hidden + 0.2 * f(self.input2h(now) + self.h2h(hidden))
                else:
                    hidden = f(0.8 * hidden + 0.2 * (self.input2h(now) + self.h2h(hidden)))
                seen.append(f(hidden) if form == "current" else hidden)
            return (torch.stack(seen, 1),)

    layer = Leaky()
    network = from_arrays(arrays_of(layer), form=form, nonlinearity="tanh", tau=0.05, dt=0.01)
    assert apart(states(network), run(torch, layer)) < CLOSE


def test_a_whole_pytorch_model_with_its_readout_and_a_safetensors_file(torch, tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.out = torch.nn.GRU(N_INPUTS, N_UNITS, batch_first=True), torch.nn.Linear(N_UNITS, 2)

        def forward(self, given):
            return self.out(self.rnn(given)[0])

    model = Model()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    network = read_network(tmp_path / "model.safetensors", dt=0.01)
    trials = recirc.Trials(inputs(), np.zeros((N_TRIALS, N_STEPS, 2)), dt=0.01, conditions=range(N_TRIALS))
    with torch.no_grad():
        expected = model(torch.tensor(inputs(), dtype=torch.float32)).numpy()
    made = np.asarray(simulate(network, trials, key=jax.random.key(0)).outputs)
    assert apart(made, expected) < CLOSE


def test_what_is_written_here_is_read_by_safetensors_itself(tmp_path):
    load_file = pytest.importorskip("safetensors.numpy").load_file
    network = RateNetwork.random(n_units=7, key=jax.random.key(0))
    network.to_safetensors(tmp_path / "network.safetensors")
    np.testing.assert_array_equal(load_file(tmp_path / "network.safetensors")["recurrent"], network.recurrent)


# ---- the published equations, written out in NumPy


def test_an_elman_network_and_a_gru_follow_the_equations_of_pytorchs_documentation():
    w, u, (b,), (c,) = (
        *weights(0, (N_UNITS, N_UNITS), (N_UNITS, N_INPUTS)),
        weights(1, (N_UNITS,)),
        weights(2, (N_UNITS,)),
    )
    cell = {"weight_hh": w, "weight_ih": u, "bias_hh": b, "bias_ih": c}
    h, seen = np.zeros((N_TRIALS, N_UNITS)), []
    for t in range(N_STEPS):
        h = np.maximum(inputs()[:, t] @ u.T + c + 0.5 * h @ w.T + b, 0)
        seen.append(h)
    network = from_arrays(cell | {"weight_hh": w / 2}, nonlinearity="relu", dt=0.01)
    np.testing.assert_allclose(states(network), np.stack(seen, 1), rtol=1e-9, atol=1e-9)

    gates = (w, -w, 2 * w), (u, u, -u), (b, 2 * b, 3 * b), (c, -c, c)
    stacked = dict(zip(("weight_hh_l0", "weight_ih_l0", "bias_hh_l0", "bias_ih_l0"), map(np.concatenate, gates)))
    (w_r, w_z, w_n), (u_r, u_z, u_n), (b_r, b_z, b_n), (c_r, c_z, c_n) = gates
    h, seen = np.zeros((N_TRIALS, N_UNITS)), []
    for t in range(50):
        x = inputs()[:, t]
        reset = sigmoid(x @ u_r.T + c_r + h @ w_r.T + b_r)
        keep = sigmoid(x @ u_z.T + c_z + h @ w_z.T + b_z)
        h = (1 - keep) * np.tanh(x @ u_n.T + c_n + reset * (h @ w_n.T + b_n)) + keep * h
        seen.append(h)
    np.testing.assert_allclose(states(from_arrays(stacked, dt=0.01))[:, :50], np.stack(seen, 1), atol=1e-9)


@pytest.mark.parametrize("package", ["pycog", "PsychRNN"])
def test_pycog_and_psychrnn_networks_follow_their_own_steps(package):
    """x_t = x + alpha (-x + W_rec f(x) + b + W_in u_t), f of the new x is read out, and tau may differ by unit."""
    w, u, out = weights(0, (N_UNITS, N_UNITS), (N_UNITS, N_INPUTS), (2, N_UNITS), gain=0.8)
    b, x0, bout = np.full(N_UNITS, 0.1), np.linspace(-1, 1, N_UNITS), np.array([1.0, -1.0])
    tau = np.linspace(0.05, 0.2, N_UNITS) if package == "pycog" else 0.1
    if package == "pycog":
        given = {"Win": u, "Wrec": w, "Wout": out, "brec": b, "bout": bout, "x0": x0}
    else:
        given = {"W_in": u, "W_rec": w, "W_out": out, "b_rec": b, "b_out": bout, "init_state": np.tile(x0, (8, 1))}
    network = from_arrays(given, tau=tau, dt=0.01)
    x, rates, outputs = np.tile(x0, (N_TRIALS, 1)), [], []
    for t in range(N_STEPS):
        x = x + 0.01 / tau * (-x + np.maximum(x, 0) @ w.T + b + inputs()[:, t] @ u.T)
        rates.append(np.maximum(x, 0))
        outputs.append(rates[-1] @ out.T + bout)
    trials = recirc.Trials(inputs(), np.zeros((N_TRIALS, N_STEPS, 2)), dt=0.01, conditions=range(N_TRIALS))
    made = simulate(network, trials, key=jax.random.key(0))
    np.testing.assert_allclose(made.rates, np.stack(rates, 1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(made.outputs, np.stack(outputs, 1), rtol=1e-9, atol=1e-9)


def test_from_step_is_the_function_itself():
    """The same network as a function and as arrays; its parameters may be arrays of a module."""
    w, u = weights(0, (N_UNITS, N_UNITS), (N_UNITS, N_INPUTS))
    network = from_arrays(weight_hh=w, weight_ih=u, dt=0.01)
    for step in (lambda h, x: jnp.tanh(w @ h + u @ x), network.update):
        same = from_step(step, lambda h: h, np.zeros(N_UNITS), dt=0.01, n_inputs=N_INPUTS)
        np.testing.assert_allclose(states(same), states(network), atol=1e-12)


def test_units_are_rates_and_not_entries_of_the_state():
    w, u = weights(0, (N_UNITS, N_UNITS), (N_UNITS, N_INPUTS))
    network = from_arrays(weight_hh=w, weight_ih=u, dt=0.01)
    half = from_step(network.update, lambda h: h[::2], np.zeros(N_UNITS), dt=0.01, n_inputs=N_INPUTS)
    assert [each.n_units for each in (network, half)] == [states(each).shape[2] for each in (network, half)]


def test_a_short_leak_is_the_flow_that_a_rate_network_has():
    """With dt far below tau the first form and exact decay are one."""
    w, u, out = weights(0, (N_UNITS, N_UNITS), (N_UNITS, N_INPUTS), (1, N_UNITS))
    given = {"W": w, "W_in": u, "W_out": out}
    euler = from_arrays(given, nonlinearity="tanh", tau=0.1, dt=1e-4)
    exact = from_arrays(given, nonlinearity="tanh", tau=0.1, form="rate_network")
    assert isinstance(exact, RateNetwork)
    trials = recirc.Trials(inputs(), np.zeros((N_TRIALS, N_STEPS, 1)), dt=1e-4, conditions=range(N_TRIALS))
    assert np.abs(states(euler) - simulate(exact, trials, key=jax.random.key(0)).rates).max() < 1e-3


def test_a_twin_keeps_the_gates_apart():
    w, u = weights(0, (3 * N_UNITS, N_UNITS), (3 * N_UNITS, N_INPUTS))
    network = from_arrays(weight_hh=w, weight_ih=u, dt=0.01)
    twin = network.twin(key=jax.random.key(0)).update.recurrent
    for gate in range(3):
        rows = slice(gate * N_UNITS, (gate + 1) * N_UNITS)
        assert not np.allclose(twin[rows], w[rows])
        np.testing.assert_allclose(np.sort(twin[rows], axis=0), np.sort(w[rows], axis=0))
    code = from_step(lambda h, x: h, lambda h: h, np.zeros(2), dt=0.01, n_inputs=1)
    assert code.twin(key=jax.random.key(0)) is None


@pytest.mark.parametrize("turn", [0.3, 2.0])
@pytest.mark.parametrize("size", [0.7, 0.99, 1.2])
def test_modes_of_a_map_are_stable_inside_the_unit_circle(turn, size):
    """A step that turns and scales has |m| = size, also where the velocity's eigenvalues have another sign."""
    w = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    network = from_arrays(weight_hh=w, weight_ih=np.zeros((2, 1)), nonlinearity="linear", dt=0.01)
    found = recirc.compare.find_fixed_points(network, [0.0], np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert found.stable.tolist() == [size < 1]
    np.testing.assert_allclose(found.time_constants, [[-0.01 / np.log(size)] * 2], rtol=1e-9)
    np.testing.assert_allclose(found.frequencies, [[turn / (2 * np.pi * 0.01)] * 2], rtol=1e-9)


# ---- files


def members():
    w, u, out, b = weights(0, (9, 9), (9, 2), (1, 9), (9,))
    yield RateNetwork.random(n_units=9, density=0.5, noise=0.1, n_inputs=2, key=jax.random.key(0))
    yield RateNetwork.random(n_units=9, excitatory_fraction=0.7, nonlinearity=jax.nn.relu, key=jax.random.key(0))
    yield from_arrays(W=w, W_in=u, W_out=out, bias=b, tau=np.linspace(0.1, 0.2, 9), dt=0.01, nonlinearity="softplus")
    yield from_arrays(weight_hh=w, weight_ih=u, bias_hh=b, dt=0.01, start=b)
    yield from_arrays(weight_hh=np.tile(w, (3, 1)), weight_ih=np.tile(u, (3, 1)), W_out=out, dt=0.01)


@pytest.mark.parametrize("network", list(members()), ids=lambda n: type(n).__name__)
@pytest.mark.parametrize("write", ["to_npz", "to_safetensors"])
def test_a_file_holds_the_whole_network(network, write, tmp_path):
    getattr(network, write)(tmp_path / "network")
    back = read_network(tmp_path / "network")
    assert type(back) is type(network)
    for name, value in network.to_arrays().items():
        np.testing.assert_array_equal(back.to_arrays()[name], value)
    trials = recirc.Trials(np.ones((2, 20, 2)), np.zeros((2, 20, 1)), dt=0.01, conditions="ab")
    made = [simulate(each, trials, key=jax.random.key(0)).rates for each in (network, back)]
    np.testing.assert_array_equal(*made)


def test_psychrnns_own_file_and_a_struct_of_matlab_are_read(tmp_path):
    w, u = weights(0, (9, 9), (9, 2))
    given = {
        "W_rec": w,
        "W_in": u,
        "b_rec": np.ones(9),
        "W_out": u.T,
        "b_out": np.zeros(2),
        "init_state": np.ones((1, 9)),
    }
    np.savez(tmp_path / "psychrnn.npz", **given, Dale_rec=np.eye(9), dale_ratio=np.array(None))
    first = read_network(tmp_path / "psychrnn.npz", tau=0.1, dt=0.02)
    struct_of = {"W": w, "W_in": u, "bias": np.ones((9, 1)), "W_out": u.T, "start": np.ones((9, 1))}
    scipy.io.savemat(tmp_path / "net.mat", {"net": struct_of})
    second = read_network(tmp_path / "net.mat", tau=0.1, dt=0.02, nonlinearity="relu")
    for name, value in first.to_arrays().items():
        np.testing.assert_array_equal(second.to_arrays()[name], value)


def test_settings_may_stand_among_the_arrays_and_give_way_to_arguments(tmp_path):
    w, u = weights(0, (9, 9), (9, 2))
    settings = {"tau": np.array([[0.1]]), "dt": 0.02, "nonlinearity": "relu", "form": "outside"}
    np.savez(tmp_path / "net.npz", W=w, W_in=u, **settings)
    scipy.io.savemat(tmp_path / "net.mat", {"net": {"W": w, "W_in": u, **settings}})
    expected = from_arrays(W=w, W_in=u, tau=0.1, dt=0.02, nonlinearity="relu", form="outside")
    for name in ("net.npz", "net.mat"):
        found = read_network(tmp_path / name)
        for part, value in expected.to_arrays().items():
            np.testing.assert_array_equal(found.to_arrays()[part], value)
        other = read_network(tmp_path / name, dt=0.01, nonlinearity="tanh", form="current", tau=0.05)
        assert (other.dt, other.update.form, round(float(other.update.leak[0]), 9)) == (0.01, "current", 0.2)


def test_plain_matrices_may_stand_in_their_order():
    w, u, out, (b,) = *weights(0, (9, 9), (9, 2), (1, 9)), weights(1, (9,))
    names, how = ("W", "W_in", "W_out", "bias"), {"nonlinearity": "tanh", "tau": 0.1, "dt": 0.02}
    named = from_arrays(**dict(zip(names, (w, u, out, b))), **how).to_arrays()
    for made in (from_arrays(w, u, out, b, **how), from_arrays(w.tolist(), u, bias=b, W_out=out, **how)):
        for name, value in made.to_arrays().items():
            np.testing.assert_array_equal(value, named[name])
    alone = from_arrays(w, **how)
    assert (alone.n_units, alone.n_inputs, alone.output) == (9, 0, None)
    with pytest.raises(ValueError, match="W holds object"):
        from_arrays(object(), **how)


def test_matrices_of_a_gru_need_no_second_bias():
    w, u = weights(0, (12, 4), (12, 2))
    plain, cells = from_arrays(W=w, W_in=u, form="gru", dt=0.01), from_arrays(weight_hh=w, weight_ih=u, dt=0.01)
    given = inputs()[..., :2]
    np.testing.assert_array_equal(states(plain, given), states(cells, given))


# ---- what is refused


def cell(n_rows=4, **changes):
    return {"weight_hh_l0": np.zeros((n_rows, 4)), "weight_ih_l0": np.zeros((n_rows, 2))} | changes


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (cell(weight_hh_l1=np.zeros((4, 4))), "several layers"),
        (cell(weight_hh_l0_reverse=np.zeros((4, 4))), "two directions"),
        (cell(16), "LSTM"),
        (cell(weight_hr_l0=np.zeros((2, 4))), "proj_size"),
        (cell(**{"encoder.weight": np.zeros((2, 9)), "out.weight": np.zeros((1, 4))}), "encoder.weight"),
        (cell(weight_ih_l0=None), "is missing"),
        (cell(12, weight_ih_l0=np.zeros((4, 2))), "weight_ih_l0 has shape"),
        (cell(weight_hh_l0=np.full((4, 4), np.nan)), "not finite"),
        (cell(weight_hh_l0=np.zeros(4)), r"shape \(4,\)"),
        (cell(bias_ih_l0=np.zeros(4), bias_hh_l0=np.zeros(1)), "the two biases"),
        ({"W": np.zeros((4, 5)), "noise": 1}, "it is not known what 'noise' does"),
        ({"W": np.zeros((12, 4)), "tau": 0.1}, r"shape \(12, 4\) and the form is current"),
        ({"W": np.zeros((0, 0)), "tau": 0.1}, r"shape \(0, 0\)"),
        ({"W": np.zeros((4, 4)), "form": "gru"}, r"shape \(4, 4\) and the form is gru"),
        ({"W": np.zeros((4, 4)), "tau": np.ones(3)}, "tau has 3 values beside 4 units"),
        ({"W": np.zeros((4, 4)), "tau": "long"}, "tau is long"),
        ({"W": np.zeros((4, 5))}, r"shape \(4, 5\)"),
        ({"W": np.zeros((4, 4)), "W_in": np.zeros((2, 4))}, "transpose"),
        ({"kernel": np.zeros((4, 4))}, "no recurrent weights"),
        ({"h2h.weight": np.zeros((4, 4)), "input2h.weight": np.zeros((4, 2))}, "form is None"),
        ({"W": np.array([["a"]], object)}, "give numbers"),
    ],
)
def test_what_is_no_circuit_here_is_refused_with_its_reason(given, told):
    is_plain = "W" in given
    with pytest.raises(ValueError, match=told):
        from_arrays(given, dt=0.01, **({"nonlinearity": "tanh"} if is_plain else {}))


def test_times_must_be_seconds_and_said():
    plain = {"W": np.zeros((4, 4))}
    for how, told in (
        ({"dt": 10, "tau": 100}, "milliseconds"), ({"dt": 0.01}, "tau is missing"), ({"tau": 0.1}, "dt is missing"),
        ({"dt": 0.1, "tau": 0.05}, "tau must be dt or longer"),
        ({"dt": 0.01, "tau": 0.1, "nonlinearity": "elu"}, "'elu'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=told):
            from_arrays(plain, **{"nonlinearity": "tanh"} | how)
    with pytest.raises(ValueError, match="gates in place of tau"):
        from_arrays(cell(12), dt=0.01, tau=0.1)
    with pytest.raises(ValueError, match="the form is rate"):
        from_arrays(cell(12), dt=0.01, form="rate", nonlinearity="tanh")
    for wrong, told in ((np.tanh, "write it with jax.numpy"), (jnp.sum, "changes the shape")):
        with pytest.raises(ValueError, match=told):
            from_arrays(plain, dt=0.01, tau=0.1, nonlinearity=wrong)
    with pytest.raises(ValueError, match="nonlinearity is None"):
        from_arrays(plain, dt=0.01, tau=0.1)
    network = from_arrays(plain, dt=0.01, tau=0.1, nonlinearity="tanh")
    trials = recirc.Trials(np.zeros((1, 5, 0)), np.zeros((1, 5, 0)), dt=0.002, conditions="a")
    with pytest.raises(ValueError, match=r"steps of 0.01 s and the trials of 0.002 s"):
        simulate(network, trials, key=jax.random.key(0))


def test_code_is_written_to_no_file(tmp_path):
    code = from_step(lambda h, x: h, lambda h: h, np.zeros(2), dt=0.01, n_inputs=1)
    own = dataclasses.replace(RateNetwork.random(n_units=3, key=jax.random.key(0)), nonlinearity=jnp.sin)
    for network in (code, own):
        with pytest.raises(ValueError, match="no file"):
            network.to_npz(tmp_path / "network.npz")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [((0, 24), "save it again"), ((8, 40), "save it again"), ((0, 31), "save it again"), (None, "no entry has")],
)
def test_a_safetensors_file_that_lies_is_refused(tmp_path, wrong, told):
    entry = {"dtype": "F64", "shape": [2, 2], "data_offsets": wrong or (0, 32)}
    text = json.dumps({"W": entry}).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(32 if wrong else 40))
    with pytest.raises(DataFileError, match=told):
        read_network(tmp_path / "w.safetensors", dt=0.01)


@pytest.mark.parametrize("is_archive", [False, True], ids=["bare", "in the archive of torch.save"])
def test_a_pickle_is_not_read(tmp_path, is_archive):
    path, content = tmp_path / "model.pt", b"\x80\x02}q\x00."
    path.write_bytes(content)
    if is_archive:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", content)
    with pytest.raises(DataFileError, match=r"never read.*safetensors.torch"):
        read_network(path, dt=0.01)
