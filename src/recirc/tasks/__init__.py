"""Tasks: a key gives trials; one task per file."""

from recirc.tasks.base import AbstractTask as AbstractTask
from recirc.tasks.center_out_reach import CenterOutReach as CenterOutReach
from recirc.tasks.delayed_reach import DelayedReach as DelayedReach
from recirc.tasks.oscillation import Oscillation as Oscillation
from recirc.tasks.ready_set_go import ReadySetGo as ReadySetGo
