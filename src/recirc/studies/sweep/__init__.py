"""`recirc sweep`: many runs from one file, one table."""

from recirc.studies.sweep.bases import AbstractBase as AbstractBase
from recirc.studies.sweep.bases import Recording as Recording
from recirc.studies.sweep.bases import Study as Study
from recirc.studies.sweep.config import Axis as Axis
from recirc.studies.sweep.config import SweepConfig as SweepConfig
from recirc.studies.sweep.config import load_sweep as load_sweep
from recirc.studies.sweep.design import experiment as experiment
from recirc.studies.sweep.dry_run import foretell as foretell
from recirc.studies.sweep.training import Training as Training
