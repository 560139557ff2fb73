"""Disks on which little can be written."""

import contextlib
import os
import resource
import subprocess

import pytest


@contextlib.contextmanager
def small_files(n_bytes: int):
    """Files of this process stay so small."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def mounted(path, options: str):
    """A disk of its own at `path`, in memory; the test is skipped where none can be mounted."""
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk can only be mounted by root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def full_disks(n_bytes: int):
    """Ways to have no more space than this, a decorator of tests: `with disk(path): ...`."""
    ways = {"small_files": lambda path: small_files(n_bytes), "mounted": lambda path: mounted(path, f"size={n_bytes}")}
    return pytest.mark.parametrize("disk", ways.values(), ids=ways)
