"""Circuits: parameters and one step of dynamics; reference circuits; the only forward time loop."""

from recirc.circuits.altered import Perturbed as Perturbed
from recirc.circuits.altered import Restarted as Restarted
from recirc.circuits.altered import Transformed as Transformed
from recirc.circuits.anticipatory_control import anticipatory_currents as anticipatory_currents
from recirc.circuits.base import AbstractCircuit as AbstractCircuit
from recirc.circuits.base import simulate as simulate
from recirc.circuits.motor_cortex import StabilityOptimized as StabilityOptimized
from recirc.circuits.motor_cortex import holding_current as holding_current
from recirc.circuits.motor_cortex import observability_gramian as observability_gramian
from recirc.circuits.motor_cortex import preferred_states as preferred_states
from recirc.circuits.motor_cortex import preparation_currents as preparation_currents
from recirc.circuits.motor_cortex import random_gains as random_gains
from recirc.circuits.muscles import condition_targets as condition_targets
from recirc.circuits.muscles import direction_targets as direction_targets
from recirc.circuits.muscles import fit_muscles as fit_muscles
from recirc.circuits.muscles import muscle_signals as muscle_signals
from recirc.circuits.rate_network import RateNetwork as RateNetwork
from recirc.circuits.stability_optimization import stability_optimized as stability_optimized
from recirc.circuits.teachers import TEACHERS as TEACHERS
from recirc.circuits.teachers import Teacher as Teacher
from recirc.circuits.teachers import linear as linear
from recirc.circuits.teachers import noise_trials as noise_trials
from recirc.circuits.teachers import recorded as recorded
from recirc.circuits.teachers import teacher as teacher
