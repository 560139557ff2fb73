"""Circuits: parameters and one step of dynamics; reference circuits; the only forward time loop."""

from recirc.circuits.base import AbstractCircuit, simulate
from recirc.circuits.rate_network import RateNetwork

__all__ = ["AbstractCircuit", "RateNetwork", "simulate"]
