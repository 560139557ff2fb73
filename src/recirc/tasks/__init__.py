"""Tasks: a key gives trials; one task per file."""

from recirc.tasks.base import AbstractTask
from recirc.tasks.center_out_reach import CenterOutReach
from recirc.tasks.delayed_reach import DelayedReach
from recirc.tasks.oscillation import Oscillation
from recirc.tasks.ready_set_go import ReadySetGo

__all__ = ["AbstractTask", "CenterOutReach", "DelayedReach", "Oscillation", "ReadySetGo"]
