"""A session written as an NWB file that other tools read too."""

import datetime
import importlib.util
import io
import os
import uuid
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from recirc.data.session import Session
from recirc.storage import write_atomic

RESOLUTION = 2.0**-15  # seconds, of spike times
COMPRESSED = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
TRIAL_COLUMNS = {
    "target_on_time": "When the target appeared, seconds.",
    "go_cue_time": "When the go cue was given, seconds.",
    "move_onset_time": "When the hand began to move, seconds.",
    "target_direction": "Direction of the target, degrees counterclockwise from the right.",
    "target_x": "Position of the target from left to right, meters.",
    "target_y": "Position of the target from near to far, meters.",
}


def write_nwb(session: Session, path: str | os.PathLike) -> None:
    """Write a simulated session; the file appears whole or not at all, and has the same contents but for identifiers.

    Args:
        session, path: series in meters are taken for the position of the hand; a new file.

    Raises:
        ValueError: as `check_new`.
        StorageError: if the file cannot be written.
    """
    check_new(path)
    import pynwb

    buffer = io.BytesIO()
    nwb_file: Any = pynwb.NWBHDF5IO
    with h5py.File(buffer, "w") as file, nwb_file(file=file, mode="w") as stream:
        stream.write(_contents(pynwb, session))
    write_atomic(Path(path), buffer.getvalue())


def check_new(path: str | os.PathLike) -> None:
    """Raise ValueError if pynwb is not installed, the file exists, or its folder does not."""
    if importlib.util.find_spec("pynwb") is None:
        raise ValueError('writing NWB needs pynwb: pip install "recirc[nwb]".')
    if Path(path).exists() or not Path(path).parent.is_dir():
        raise ValueError(f"{path} exists, or its folder does not; give the name of a new file in a folder.")


def _contents(pynwb, session: Session):
    about = session.about.get("session_description", "Simulated session.")
    file = pynwb.NWBFile(
        session_description=about, experiment_description=about, session_start_time=START, file_create_date=START,
        identifier=str(uuid.uuid5(uuid.NAMESPACE_URL, repr(sorted(session.about.items())))),
        session_id=f"simulated-{session.about.get('seed', '0')}", institution="none: simulated",
        lab="none: simulated", experimenter=["Simulation, A."],
        keywords=["simulated", "delayed reach", "motor cortex"],
    )  # fmt: skip
    file.subject = pynwb.file.Subject(
        subject_id="simulated", species="Macaca mulatta", sex="U", age="P5Y",
        description="No animal: a simulated circuit. The species is that of the recordings it imitates.",
    )  # fmt: skip
    for name in [name for name in session.trials if name not in ("start_time", "stop_time")]:
        file.add_trial_column(name=name, description=TRIAL_COLUMNS.get(name, f"Simulated: {name}."))
    for i in range(session.n_trials):
        file.add_trial(**{name: column[i] for name, column in session.trials.items()})
    _add_units(pynwb, file, session)
    module = file.create_processing_module("behavior", "What the simulated hand and muscles did.")
    for name, series in session.series.items():
        module.add(_series(pynwb, name, series))
    return file


def _add_units(pynwb, file, session: Session) -> None:
    device = file.create_device("simulation", description="No device: simulated.")
    group = file.create_electrode_group(
        "array", description="Simulated array, one electrode per unit.", location="motor cortex", device=device
    )
    file.units = pynwb.misc.Units(name="units", description="Simulated units.", resolution=RESOLUTION)
    file.add_unit_column(name="unit_name", description="Name of the unit.")
    for i, (name, times) in enumerate(zip(session.units, session.spikes)):
        file.add_electrode(location="motor cortex", group=group)
        spans = {} if session.observed is None else {"obs_intervals": session.observed[i]}
        file.add_unit(spike_times=times, electrodes=[i], electrode_group=group, unit_name=name, **spans)
    for name in {"spike_times", "obs_intervals"} & set(file.units.colnames):
        file.units[name].target.set_data_io(pynwb.H5DataIO, COMPRESSED)


def _series(pynwb, name: str, series):
    data = pynwb.H5DataIO(np.asarray(series.values[:]), **COMPRESSED)
    channels = f"columns=[{','.join(series.channels)}]"
    common = {"name": name, "data": data, "rate": series.rate, "starting_time": series.start}
    if series.unit == "meters":
        space = pynwb.behavior.SpatialSeries(
            **common, unit="meters", description=f"Position of the hand. {channels}",
            reference_frame="The starting point is (0, 0); x to the right, y away from the subject.",
        )  # fmt: skip
        return pynwb.behavior.Position(name="position", spatial_series=space)
    return pynwb.TimeSeries(**common, unit=series.unit, description=f"Simulated {name.replace('_', ' ')}. {channels}")
