"""Networks from the arrays that other packages leave: PyTorch, pycog, PsychRNN, MATLAB, or plain matrices."""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from recirc.circuits.named_weights import NamedWeights, recognized
from recirc.circuits.rate_network import WEIGHT_AXES, RateNetwork
from recirc.circuits.seconds import seconds, times
from recirc.circuits.step_circuit import StepCircuit
from recirc.circuits.updates import FORMS, NONLINEARITIES, GatedUpdate, LeakyUpdate, Readout
from recirc.data.array_files import read_array_file
from recirc.data.safe_open import named as named_file

KINDS = (*FORMS, "rate_network", "gru")
SETTINGS = ("dt", "tau", "nonlinearity", "form")
VECTORS = ("bias", "start", "readout_bias", "recurrent_bias", "leak", "signs")


def from_arrays(
    arrays: Any = None,
    /,
    W_in: Any = None,
    W_out: Any = None,
    bias: Any = None,
    *,
    dt: float | None = None,
    tau: Any = None,
    nonlinearity: str | Callable | None = None,
    form: str | None = None,
    **named: Any,
) -> StepCircuit | RateNetwork:
    r"""Make a circuit of a network's arrays, which are told apart by their names.

    Plain matrices are `W=`, `W_in=`, `W_out=`, `bias=`, `output_bias=` and `start=`, the first four also by position;
    rows are the units that are driven. What makes them a network is in `form`, with $\alpha = dt / \tau$:

    - "current" $x \leftarrow (1 - \alpha) x + \alpha (W f(x) + U u + b)$, r = f(x): plain matrices, pycog, PsychRNN;
    - "rate" $r \leftarrow (1 - \alpha) r + \alpha f(W r + U u + b)$: `torch.nn.RNN`, where alpha is 1;
    - "outside" $r \leftarrow f((1 - \alpha) r + \alpha (W r + U u + b))$: many leaky networks written in PyTorch;
    - "rate_network": a `RateNetwork`, the first form with exact decay, which takes any dt and can be trained here.

    What names mean to those who gave them:

    - `torch.nn.RNN`, `RNNCell` (`weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`): both biases are added; f
      is tanh, or say `nonlinearity="relu"`, which a state dict does not tell.
    - `torch.nn.GRU`, `GRUCell`: the same names with three times as many rows, those of reset gate, update gate and new
      state, one below the other; `bias_hh` of the new state stands inside the reset's product (`GatedUpdate`).
    - Leaky layers of `nn.Linear` (`input2h.weight`, `h2h.weight`, …): several things, so say `form` and `nonlinearity`.
    - pycog (`Wrec`, `Win`, `Wout`, `brec`, `bout`, `x0`, as saved in `best`): masks and signs are applied; relu unless
      told otherwise; tau and dt are milliseconds; its `baseline_in` is to be added to the inputs.
    - PsychRNN (`W_rec`, `W_in`, `W_out`, `b_rec`, `b_out`, `init_state`, as `get_weights` and `save` give them): masks
      and Dale's law are applied; relu unless told otherwise; tau and dt are milliseconds as a rule.

    A prefix (`rnn.`) may stand before PyTorch's names, and one more linear layer is taken for the readout. Sample t
    of a simulation is the state after step t, as in PyTorch and PsychRNN; pycog keeps the initial state before it.

    Args:
        arrays: by name: a state dict (tensors on the CPU will do), a `.npz` that is open, a struct. `dt`, `tau`,
            `nonlinearity` and `form` may be among them, as in a file, and hold unless they are given here. Or W alone.
        W_in, W_out, bias: the other plain matrices, after W.
        dt: seconds per step; trials must have the same.
        tau: time constant, seconds, one or one per unit; None for networks without leak.
        nonlinearity: f: "tanh", "relu", "sigmoid", "softplus", "linear", or a function of JAX.
        form: as above, or "gru" for matrices of a GRU; None for what the names tell.
        named: further arrays, or all of them.

    Returns:
        A circuit; of "rate_network" a `RateNetwork`.

    Raises:
        ValueError: if a file is given, a name is not known, a shape does not fit, a value is not finite, dt or tau is
            missing or in milliseconds, or the network is none of these: several layers, two directions, LSTM,
            projections.

    Source: docs.pytorch.org for `RNN` and `GRU`; the code of pycog (Song et al. 2016, doi
    10.1371/journal.pcbi.1004792: `rnn.py`, `trainer.py`, `euler.py`) and PsychRNN (Ehrlich et al. 2021, doi
    10.1523/ENEURO.0427-20.2020: `models/basic.py`, `rnn.py`); for leaky layers the tutorial of Yang & Wang 2020 (doi
    10.1016/j.neuron.2020.09.005), whose text has "rate" and whose code "outside". Departures: recurrent and input
    noise are left out, and so are output nonlinearities.

    Example:
        >>> import numpy as np, recirc
        >>> w = np.eye(3) / 2
        >>> network = recirc.circuits.from_arrays(
        ...     w, np.ones((3, 2)), np.ones((1, 3)), np.zeros(3), nonlinearity="tanh", tau=0.1, dt=0.02
        ... )
        >>> network.n_inputs, network.time_step
        (2, 0.02)
        >>> state_dict = {"weight_hh_l0": w, "weight_ih_l0": np.ones((3, 2))}
        >>> recirc.circuits.from_arrays(state_dict, dt=0.01).update.form
        'rate'
    """
    if isinstance(arrays, str | PathLike):
        raise ValueError(
            f"{str(arrays)!r} is no array; from_arrays takes arrays, and circuits.read_network reads files."
        )
    first = dict(arrays or {}) if isinstance(arrays, Mapping | None) else {"W": arrays}
    named |= {name: value for name, value in (("W_in", W_in), ("W_out", W_out), ("bias", bias)) if value is not None}
    given = {name: _array(name, value) for name, value in (first | named).items() if value is not None}
    said = {name: given.pop(name) for name in SETTINGS if name in given}
    found = recognized(given, (first | named).keys() - given.keys() - said.keys())
    dt, tau = _number(said, "dt", dt), _number(said, "tau", tau)
    form, nonlinearity = form or _word(said, "form"), nonlinearity or _word(said, "nonlinearity")
    form = form or found.form
    if form not in KINDS:
        raise ValueError(f"form is {form!r}; say which of {', '.join(KINDS)} the network is, as from_arrays has them.")
    parts = _shaped(found, form)
    n_units = len(parts["start"])
    if form == "gru":
        if tau is not None or nonlinearity is not None:
            raise ValueError("a GRU has gates in place of tau, and tanh; leave tau and nonlinearity out.")
        update = GatedUpdate(*(parts[name] for name in ("recurrent", "input_weights", "bias", "recurrent_bias")))
    else:
        shape = (n_units, 1) if form == "rate_network" else (n_units,)
        function = _function(nonlinearity or found.nonlinearity, shape)
        if form == "rate_network":
            return _rate_network(parts, function, tau)
        leak = parts["leak"] if "leak" in parts else _leak(form, dt, tau, n_units)
        update = LeakyUpdate(parts["recurrent"], parts["input_weights"], parts["bias"], leak, function, form)
    readout = Readout(parts["readout"], parts["readout_bias"]) if "readout" in parts else None
    step = seconds("dt", dt)
    return StepCircuit(update, update.rates, readout, parts["start"], step, parts["input_weights"].shape[1])


def read_network(path: str | PathLike, **how: Any) -> StepCircuit | RateNetwork:
    """A network from a file of its weights: `.npz`, safetensors, or a MATLAB file with its variables or one struct.

    Args:
        path: the file; nothing in it is executed, and pickles (`.pt`, `.pkl`) are not read.
        how: as for `from_arrays`; what `to_npz` and `to_safetensors` have written needs nothing.

    Raises:
        DataFileError: if the file cannot be read.
        ValueError: as `from_arrays`, with the name of the file.

    Example:
        >>> import recirc
        >>> network = recirc.circuits.RateNetwork.random(n_units=5, key=jax.random.key(0))
        >>> network.to_npz("network.npz")
        >>> recirc.circuits.read_network("network.npz").n_units
        5
    """
    arrays = read_array_file(path)
    with named_file(path):
        return from_arrays(arrays, **how)


def _array(name: str, value: Any) -> np.ndarray:
    """What was given under a name, as an array of numbers or text."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} has rows of unequal lengths; make them equal.") from None
    if array.dtype.kind not in "biufU":
        raise ValueError(f"{name} holds {array.dtype}; give numbers, as tensor.detach().cpu().float() has.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite; such a network is no circuit.")
    return array


def _word(said: Mapping[str, Any], name: str) -> str | None:
    """A setting that stands among the arrays."""
    return str(np.ravel(said[name])[0]) if name in said else None


def _number(said: Mapping[str, Any], name: str, given: Any) -> Any:
    """A setting as it was given, or as it stands among the arrays: a float, or several."""
    if given is not None or name not in said:
        return given
    if said[name].dtype.kind not in "iuf":
        raise ValueError(f"{name} is {said[name]} among the arrays; give a number of seconds.")
    return float(said[name].item()) if said[name].size == 1 else said[name]


def _shaped(found: NamedWeights, form: str) -> dict[str, Any]:
    """All parts as arrays of JAX in their shapes, those that a network need not have filled in."""
    shape, n_gates = np.shape(found.parts["recurrent"]), 3 if form == "gru" else 1
    if len(shape) != 2 or not shape[1] or shape[0] != n_gates * shape[1]:
        raise ValueError(
            f"{found.names['recurrent']}, the recurrent weights, has shape {shape} and the form is {form}; give (unit, "
            "unit), or, of a GRU and no other, three of it one below the other."
        )
    n_rows, n_units = shape
    blank = {"input_weights": np.zeros((n_rows, 0)), "bias": np.zeros(n_rows), "start": np.zeros(n_units)}
    blank |= {"recurrent_bias": np.zeros(n_rows)} if form == "gru" else {}
    parts = blank | {name: np.ravel(value) if name in VECTORS else value for name, value in found.parts.items()}
    if "readout" in parts:
        parts["readout"] = np.atleast_2d(parts["readout"])
        parts.setdefault("readout_bias", np.zeros(len(parts["readout"])))
    shapes = {
        "input_weights": (n_rows, None), "bias": (n_rows,), "recurrent_bias": (n_rows,), "start": (n_units,),
        "leak": (n_units,), "readout": (None, n_units), "readout_bias": (len(parts.get("readout", ())),),
    }  # fmt: skip
    for name, shape in shapes.items():
        given = np.shape(parts.get(name, np.zeros([size or 0 for size in shape])))
        if len(given) != len(shape) or any(size not in (None, one) for size, one in zip(shape, given)):
            wanted = ", ".join("any" if size is None else str(size) for size in shape) + "," * (len(shape) == 1)
            mend = "rows are the units, or outputs, that are driven: transpose what has them in columns"
            mend = mend if len(shape) == 2 else "give one number per row of the weights that it belongs to"
            name = found.names[name]
            raise ValueError(f"{name} has shape {given} beside {n_units} units, expected ({wanted}); {mend}.")
    return {
        name: jnp.asarray(value, bool if value.dtype.kind == "b" else float)
        for name, value in parts.items()
        if value.dtype.kind != "U"
    }


def _function(given: str | Callable | None, shape: tuple[int, ...]) -> Callable:
    if callable(given):
        try:
            made = jax.eval_shape(given, jnp.zeros(shape))
        except Exception as error:
            raise ValueError(f"nonlinearity is no function of JAX; write it with jax.numpy: {error}") from error
        if getattr(made, "shape", None) != shape:
            raise ValueError("nonlinearity changes the shape of what it is given; give an elementwise function.")
        return given
    if given not in NONLINEARITIES:
        have = ", ".join(NONLINEARITIES)
        raise ValueError(f"nonlinearity is {given!r}; give {have}, or a function of JAX.")
    return NONLINEARITIES[given]


def _leak(form: str, dt: Any, tau: Any, n_units: int) -> Any:
    """Alpha of every unit."""
    if tau is None:
        if form != "rate":
            raise ValueError("tau is missing; give the units' time constant in seconds.")
        return jnp.ones(n_units)
    tau = np.ravel(times("tau", tau))
    if tau.size not in (1, n_units):
        raise ValueError(f"tau has {tau.size} values beside {n_units} units; give one, or one per unit.")
    seconds("tau", float(np.max(tau)))
    step = seconds("dt", dt)
    leak = np.broadcast_to(step / np.where(tau > 0, tau, np.nan), n_units)
    if not (leak <= 1).all():
        raise ValueError(f"dt is {dt} s and tau {np.min(tau):g} s; tau must be dt or longer, both in seconds.")
    return jnp.asarray(leak, float)


def _rate_network(parts: Mapping[str, Any], function: Callable, tau: Any) -> RateNetwork:
    """A network with exact decay; it has one time constant, and no bias of its outputs."""
    is_own = tau is None and "time_constant" in parts  # of a file that this package wrote: seconds, however long
    if (tau is not None and np.ndim(tau)) or np.any(parts.get("readout_bias", 0)) or "readout" not in parts:
        raise ValueError("a RateNetwork has one tau and a readout without bias; leave form open for a StepCircuit.")
    names = {*WEIGHT_AXES, "connections", "signs", "noise"} & parts.keys()
    own = {name: parts[name] for name in names}
    time_constant = float(parts["time_constant"]) if is_own else seconds("tau", tau)
    return RateNetwork(**own, time_constant=time_constant, nonlinearity=function)
