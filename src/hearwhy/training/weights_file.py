"""Weights files: tensors in safetensors, and what they are as JSON inside and beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor


def checked_out(out: str | Path) -> Path:
    """Return the path, or raise ValueError where it is no ``.safetensors`` file."""
    out = Path(out)
    if out.suffix != ".safetensors":
        raise ValueError(f"weights are written as .safetensors; got {out}. Give --out FILE.safetensors.")
    return out


def checkpoint_path(out: Path, *, resume: bool) -> Path:
    """Return where an unfinished training lies, ``OUT.state``.

    Raises
    ------
    ValueError
        There is one and `resume` is not asked for, or the other way round.
    """
    path = out.with_suffix(".state")
    if path.exists() and not resume:
        raise ValueError(f"{path} is an unfinished training; go on with --resume, or delete it to begin anew.")
    if resume and not path.exists():
        raise ValueError(f"There is no unfinished training {path}; leave --resume out to begin one.")
    return path


def write_weights(tensors: Mapping[str, Tensor], out: Path, about: Mapping[str, Any]) -> None:
    """Write tensors and what they are, whole or not at all; the same as JSON beside them."""
    from safetensors.torch import save_file

    out.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    temporary = out.with_name(f".{out.name}.unfinished")
    save_file(kept, temporary, metadata={"hearwhy": json.dumps(about, sort_keys=True)})
    temporary.chmod(0o644)  # it is written private, a result is not
    temporary.replace(out)
    out.with_suffix(".json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")
