"""Configuration in, folder out: what runs the work and keeps its results."""

from recirc.analyses.pieces import Failure, Result, specification_key
from recirc.analyses.table import Claim, Row
from recirc.runs.atomic import StorageError, file_name
from recirc.runs.config import ConfigError, dump_config, load_config
from recirc.runs.datasets import read_dataset
from recirc.runs.metrics import read_metrics
from recirc.runs.store import FinishedError, FolderError, RunFolder, is_done, verify
from recirc.runs.sweep import run_all

__all__ = [
    "Claim",
    "ConfigError",
    "Failure",
    "FinishedError",
    "FolderError",
    "Result",
    "Row",
    "RunFolder",
    "StorageError",
    "dump_config",
    "file_name",
    "is_done",
    "load_config",
    "read_dataset",
    "read_metrics",
    "run_all",
    "specification_key",
    "verify",
]
