"""Weights of Demucs from the package's own models, or from a .th file of yours, as safetensors that hearwhy reads.

    pip install 'hearwhy[demucs]'
    python examples/convert_demucs.py htdemucs htdemucs.safetensors
    hearwhy components SONG.wav --components sources:demucs=htdemucs.safetensors --out parts

A name is loaded through the package, which downloads it where it must. A .th file is a pickle and can run any code: convert
only what you trust. The safetensors file has the package's own form, with class and arguments as JSON in its metadata.
"""

import argparse
import json
from fractions import Fraction
from pathlib import Path

import torch
from demucs.apply import BagOfModels
from demucs.pretrained import get_model
from demucs.states import load_model
from safetensors.torch import save_file


def network(source: str) -> torch.nn.Module:
    """Return the one network that a name or a .th file stands for."""
    found = load_model(source) if source.endswith(".th") else get_model(source)
    if not isinstance(found, BagOfModels):
        return found
    if len(found.models) > 1:
        raise SystemExit(f"{source} is a bag of {len(found.models)} networks: use it by its name, as sources:demucs={source}.")
    return found.models[0]


def as_json(value: object) -> object:
    """Return a length of segments such as 39/5 s as the package writes it."""
    if isinstance(value, Fraction):
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
    raise TypeError(f"{value!r} cannot be written as JSON")


def save(model: torch.nn.Module, path: Path) -> None:
    """Write the weights in float32, with what the network is made with."""
    args, kwargs = model._init_args_kwargs
    about = {
        "klass": f"{type(model).__module__}.{type(model).__name__}",
        "args": json.dumps(args, default=as_json),
        "kwargs": json.dumps(kwargs, default=as_json),
    }
    save_file({name: tensor.float().contiguous() for name, tensor in model.state_dict().items()}, path, metadata=about)


def main() -> None:
    """Convert what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a name of the package demucs, or a .th file that you trust")
    parser.add_argument("out", type=Path, help="the .safetensors file to write")
    given = parser.parse_args()
    save(network(given.source), given.out)
    print(f"{given.out} written; use it as sources:demucs={given.out}")


if __name__ == "__main__":
    main()
