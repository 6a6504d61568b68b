"""A Demucs network small enough for a test: the package's real class, with random weights."""

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from example_scripts import example

SOURCES = ["drums", "bass", "other", "vocals"]
KWARGS = {
    "sources": SOURCES, "channels": 8, "depth": 4, "t_layers": 1, "t_heads": 2, "bottom_channels": 8, "dconv_depth": 1,
    "nfft": 4096, "segment": Fraction(3, 5),
}  # fmt: skip


def network(seed: int = 0) -> torch.nn.Module:
    htdemucs = pytest.importorskip("demucs.htdemucs", reason="the extra demucs is not installed")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return htdemucs.HTDemucs(**KWARGS)


def tiny(factory: pytest.TempPathFactory) -> Path:
    """Write the network as the example script writes it, once for all tests of a run."""
    path = factory.getbasetemp() / "tiny-demucs.safetensors"
    if not path.exists():
        example("convert_demucs").save(network(), path)
    return path
