"""The workers of a Dask scheduler that is there already, on this machine or on others."""

import contextlib
import dataclasses
import functools
import ipaddress
import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from recirc.runs import provenance
from recirc.runs.config import ConfigError, load_config
from recirc.runs.engine import Engine

BUNDLE_SECONDS = 60.0  # of work in a task: few messages, and little is lost with a worker
PATIENCE = 60.0  # seconds in which a scheduler answers


@dataclasses.dataclass(frozen=True)
class ClusterConfig:
    """Where a scheduler is, and the certificates by which it, its workers and this driver know each other.

    Without TLS whoever reaches the scheduler runs code as you, so that an address without it must be this machine.

    Args:
        address: "tls://host:port".
        scheduler_file: instead, the file that `dask scheduler --scheduler-file` writes.
        ca_file, certificate, key: PEM files; none for those of Dask's own configuration.

    Raises:
        ValueError: unless there is exactly one of address and scheduler file.
    """

    address: str | None = None
    scheduler_file: str | None = None
    ca_file: str | None = None
    certificate: str | None = None
    key: str | None = None

    def __post_init__(self):
        if (self.address is None) == (self.scheduler_file is None):
            raise ValueError("give either an address or a scheduler_file.")

    @classmethod
    def of(cls, where: str) -> "ClusterConfig":
        """From an address, or from a TOML file of these fields."""
        return cls(where) if "://" in where else load_config(cls, where)

    def found(self) -> str:
        """The address.

        Raises:
            ConfigError: if the scheduler's file cannot be read, or the address is elsewhere and not of TLS.
        """
        address = self.address
        if address is None:
            try:
                address = str(json.loads(Path(str(self.scheduler_file)).read_text())["address"])
            except (OSError, ValueError, KeyError, TypeError):
                text = f"{self.scheduler_file} is not the file of a Dask scheduler"
                raise ConfigError(f"{text}; start one with `dask scheduler --scheduler-file FILE`.") from None
        parts = urlsplit(address)
        if parts.scheme != "tls" and not _is_here(parts.hostname or ""):
            raise ConfigError(f"{address} is on another machine and has no TLS, so that others could run code as you; "
                              "start scheduler and workers with certificates and give tls://HOST:PORT.")  # fmt: skip
        return address


class Elsewhere(Engine):
    """Workers that others have started, of which those with another device than this process are refused.

    Their trainings keep their state in `scratch` if they see the file `proof` in it, and so the same disk.
    """

    proof = ""

    def submit(self, worker: str, function: Callable, *arguments):
        """As `Engine.submit`, of a function that is told the device, and how to know the disk."""
        device = provenance.describe_device()["used"]
        return super().submit(worker, functools.partial(function, device=device, proof=self.proof), *arguments)


def _is_here(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


@contextlib.contextmanager
def existing(where: str, place: Path) -> Iterator[Engine]:
    """Workers of a scheduler that is there.

    Args:
        where: address, or TOML file with the fields of `ClusterConfig`.
        place: folder where trainings of those workers keep their state that see it.

    Raises:
        ConfigError: if the address cannot be used or nothing answers there.
    """
    from distributed import Client
    from distributed.security import Security

    config = ClusterConfig.of(where)
    address = config.found()
    files = {"tls_ca_file": config.ca_file, "tls_client_cert": config.certificate, "tls_client_key": config.key}
    given = {name: str(Path(value).expanduser()) for name, value in files.items() if value is not None}
    try:
        security = Security(require_encryption=address.startswith("tls") or None, **given)
        client = Client(address, security=security, timeout=PATIENCE)
    except (OSError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise ConfigError(f"no scheduler answers at {address} with these certificates: {reason}") from None
    log = logging.getLogger("distributed.client")
    level = log.level
    try:
        with client, tempfile.NamedTemporaryFile(dir=place, prefix="here-") as proof:
            log.setLevel(logging.CRITICAL)  # a lost scheduler is one sentence of ours
            here = Elsewhere(client, None, BUNDLE_SECONDS, [], str(place.absolute()))
            here.proof = Path(proof.name).name
            yield here
    finally:
        log.setLevel(level)
