"""Certificates of an authority of the test's own."""

import subprocess


def _openssl(*words, folder) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certificates(folder) -> list[str]:
    """Those of an authority, and of a member that it has signed; arguments of Dask's commands."""
    folder.mkdir()
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    _openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=lab", folder=folder)
    _openssl("req", *new, "-keyout", "key.pem", "-out", "request", "-subj", "/CN=member", folder=folder)
    sign = ["x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
    _openssl(*sign, "-days", "2", "-out", "certificate.pem", folder=folder)
    names = {"ca-file": "ca", "cert": "certificate", "key": "key"}
    return [word for option, name in names.items() for word in (f"--tls-{option}", f"{folder / name}.pem")]
