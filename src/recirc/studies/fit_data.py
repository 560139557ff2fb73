"""Any file that can be fitted becomes averages per condition: averages as they are, sessions prepared first."""

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from recirc.data import read_recording
from recirc.data.findings import BLOCKS, check_session
from recirc.data.preprocessing import Preprocessing
from recirc.types import Activity


class Recorded(NamedTuple):
    """A recording ready for a fit.

    Args:
        activity: one trial per condition.
        standard_error: of its rates, spikes/s; None where the file holds averages alone.
        chain: how a session was prepared, nothing left open.
        events: median time of other events, s on the activity's clock.
        notes: what was guessed, left out and found.
        single_trials: of a session, the trials that were kept.
    """

    activity: Activity
    standard_error: Float[np.ndarray, "condition time unit"] | None
    chain: Preprocessing
    events: dict[str, float]
    notes: tuple[str, ...]
    single_trials: Activity | None = None


def read_averages(
    data: Path, preprocessing: Preprocessing, *, assume_equal_spacing: bool = False, for_fit: bool = True, seed: int
) -> Recorded:
    """Average rates and behavior per condition, with what was done to get them.

    Args:
        data: a session or average rates.
        preprocessing: of a session.
        assume_equal_spacing: as for `directions`.
        for_fit: as in `check_session`.
        seed: of the halves of trials that reliability is told by.

    Raises:
        DataFileError: if the file cannot be used.
        ValueError: if something in a session blocks its use; it says all that does, and how to mend it.
    """
    found = read_recording(data)
    if isinstance(found, Activity):
        return Recorded(found, None, preprocessing, {}, ())
    key = jax.random.key(seed)
    findings, prepared = check_session(
        found, preprocessing, assume_equal_spacing=assume_equal_spacing, for_fit=for_fit, key=key
    )
    blocking = [finding for finding in findings if finding.level == BLOCKS]
    if blocking or prepared is None:
        told = " ".join(f"{finding.what} {finding.why} {finding.mend}" for finding in blocking)
        raise ValueError(f"{data}: {told} `recirc check {data.name}` says all that was found.")
    noted = tuple(f"{finding.level.capitalize()}: {finding.what} {finding.why}" for finding in findings)
    return Recorded(
        prepared.averages, prepared.standard_error, prepared.chain, prepared.events,
        tuple(dict.fromkeys((*prepared.sentences, *noted))), prepared.single_trials,
    )  # fmt: skip
