"""Configuration in, folder out: what runs the work and keeps its results."""

from recirc.runs.atomic import StorageError, file_name
from recirc.runs.config import ConfigError, dump_config, load_config
from recirc.runs.datasets import read_dataset
from recirc.runs.metrics import Claim, Row, read_metrics
from recirc.runs.parts import Result, specification_hash
from recirc.runs.store import FinishedError, FolderError, RunFolder, is_done, verify
from recirc.runs.sweep import Failure, run_all, specification_key

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
    "specification_hash",
    "specification_key",
    "verify",
]
