"""Data: recordings become activities and trials; one format per file, every file through `safe_open`."""

from recirc.data.hints import hints_from, spline_tail
from recirc.data.safe_open import DataFileError, DataWarning

__all__ = ["DataFileError", "DataWarning", "hints_from", "spline_tail"]
