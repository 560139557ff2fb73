"""Whose names weights have, what each package means by them, and what is refused."""

import dataclasses
import re
from collections.abc import Iterable, Mapping

import numpy as np

PARTS = ("recurrent", "input_weights", "readout", "bias", "readout_bias", "start")
OWN = ("leak", "time_constant", "noise", "recurrent_bias", "feedback", "connections", "signs")
PLAIN = {"W": "recurrent", "W_in": "input_weights", "W_out": "readout", "bias": "bias", "output_bias": "readout_bias",
         "start": "start"}  # fmt: skip
PYCOG: dict[str, str] = dict(zip(("Wrec", "Win", "Wout", "brec", "bout", "x0"), PARTS))
PSYCHRNN: dict[str, str] = dict(zip(("W_rec", "W_in", "W_out", "b_rec", "b_out", "init_state"), PARTS))
DALE = ("Dale_rec", "Dale_out", "input_connectivity", "rec_connectivity", "output_connectivity", "dale_ratio")
CELL, LINEAR = re.compile(r"(.*?)weight_hh(_l0)?$"), re.compile(r"(.*?)h2h\.weight$")
RECURRENT = ("recurrent", "Wrec", "W_rec", "W")
MEND = "give the entries of one network, or wrap its whole step by circuits.from_step"


@dataclasses.dataclass(frozen=True)
class NamedWeights:
    """Arrays under the names that this package has for them.

    Args:
        parts: of `PARTS` and, of this package's own files and GRUs, `OWN`.
        names: of parts, as they were given.
        form, nonlinearity: what the package that made them has unless it is told otherwise; None if it must be told.
    """

    parts: Mapping[str, np.ndarray]
    names: Mapping[str, str]
    form: str | None = None
    nonlinearity: str | None = None


def holds_weights(names: Iterable[str]) -> bool:
    """Whether recurrent weights are among named arrays."""
    return any(name in RECURRENT or CELL.fullmatch(name) or LINEAR.fullmatch(name) for name in names)


def recognized(given: Mapping[str, np.ndarray], absent: Iterable[str] = ()) -> NamedWeights:
    """What arrays are, told by their names; of those that are `absent`, nothing was read.

    Raises:
        ValueError: if no recurrent weights are among them, an entry is not known, or the network is of another kind.
    """
    names = set(given)
    for name in sorted(names):
        if found := (CELL.fullmatch(name) or LINEAR.fullmatch(name)):
            return _of_pytorch(given, found[1], is_cell=CELL.fullmatch(name) is not None)
    if "recurrent" in names:
        return _renamed(given, {name: name for name in (*PARTS, *OWN)})
    if "Wrec" in names:
        return _renamed(given, PYCOG, "current", "relu")
    if "W_rec" in names:
        own = {name: value for name, value in given.items() if name not in DALE}
        if "init_state" in own:
            own["init_state"] = np.atleast_2d(own["init_state"])[0]  # one row, or the same row for every trial
        return _renamed(own, PSYCHRNN, "current", "relu")
    if "W" in names:
        return _renamed(given, PLAIN, "current")
    unread = (
        f"{name} (None, or a Python object, which is never read: save its arrays by name)" for name in sorted(absent)
    )
    have = ", ".join([*sorted(names), *unread][:12]) or "none"
    raise ValueError(
        "no recurrent weights are among the arrays; they are called W here, Wrec by pycog, W_rec by PsychRNN, "
        f"weight_hh_l0 or h2h.weight in PyTorch, and recurrent in this package's files. Names given: {have}."
    )


def _renamed(given: Mapping[str, np.ndarray], table: Mapping[str, str], *told: str) -> NamedWeights:
    if unknown := sorted(set(given) - set(table)):
        raise ValueError(f"it is not known what {unknown[0]!r} does; known are {', '.join(table)}. Leave it out.")
    names = {table[name]: name for name in given}
    return NamedWeights({ours: given[name] for ours, name in names.items()}, names, *told)


def _of_pytorch(given: Mapping[str, np.ndarray], prefix: str, *, is_cell: bool) -> NamedWeights:
    """Entries of a state dict: one recurrent layer and perhaps one linear readout."""
    left = dict(given)
    plain = {ours: name for name, ours in PLAIN.items() if name in ("W_out", "output_bias", "start") & left.keys()}
    extra = {ours: left.pop(name) for ours, name in plain.items()}
    for pattern, what in ((r"_l[1-9]\d*(_reverse)?$", "several layers"), (r"_reverse$", "two directions")):
        if any(re.search(pattern, name) for name in left):
            raise ValueError(f"the network has {what}; one layer in one direction is a circuit here, so {MEND}.")
    if any("weight_hr" in name for name in left):
        raise ValueError(f"the network projects its state (proj_size); {MEND}.")
    ends = {True: ("weight_hh", "weight_ih", "bias_hh", "bias_ih"),
            False: ("h2h.weight", "input2h.weight", "h2h.bias", "input2h.bias")}[is_cell]  # fmt: skip
    layer = "_l0" if f"{prefix}weight_hh_l0" in left else ""
    whole = [f"{prefix}{end}{layer}" for end in ends]
    recurrent, given_weights, *biases = (left.pop(name, None) for name in whole)
    if recurrent is None or given_weights is None:
        raise ValueError(f"{whole[1]} is missing beside the recurrent weights; give the whole state dict.")
    n_rows, n_units = np.shape(recurrent) if np.ndim(recurrent) == 2 else (0, 1)
    recurrent_bias, bias = (np.zeros(n_rows) if each is None else np.asarray(each) for each in biases)
    readout = _readout(left)
    names = dict(zip(("recurrent", "input_weights", "recurrent_bias", "bias"), whole)) | readout | plain
    parts = {"recurrent": recurrent, "input_weights": given_weights}
    parts |= {ours: left[name] for ours, name in readout.items()} | extra
    if n_rows == 4 * n_units:
        raise ValueError(f"an LSTM has two states per unit; {MEND} (its step gives the hidden state, then the cell).")
    if n_rows == 3 * n_units:
        return NamedWeights(parts | {"bias": bias, "recurrent_bias": recurrent_bias}, names, "gru")
    if bias.shape != recurrent_bias.shape:
        raise ValueError(f"the two biases have shapes {bias.shape} and {recurrent_bias.shape}; give both as they were.")
    parts |= {"bias": bias + recurrent_bias}
    return NamedWeights(parts, names, "rate", "tanh") if is_cell else NamedWeights(parts, names)


def _readout(left: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Names of the one linear layer that is left in a state dict, if any; anything else may change the network."""
    weights = [name for name in left if name.endswith("weight") and np.ndim(left[name]) == 2]
    if not left:
        return {}
    bias = weights[0].removesuffix("weight") + "bias" if weights else ""
    if len(weights) != 1 or set(left) - {weights[0], bias}:
        raise ValueError(
            f"beside the recurrent layer and one linear readout there are {', '.join(sorted(left)[:8])}, and what they "
            f"do is not known; {MEND}. A start is given as start=, a readout as W_out= and output_bias=."
        )
    return {"readout": weights[0]} | ({"readout_bias": bias} if bias in left else {})
