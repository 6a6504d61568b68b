"""Makes quantus_numbers.json: what quantus 0.6 says of the maps that this file describes.

quantus is not needed to run the tests. To make the numbers again, in an environment of its own:
pip install quantus==0.6.0, then python tests/metrics/quantus_oracle.py
"""

import json
from pathlib import Path

import numpy as np


def maps() -> dict[str, np.ndarray]:
    """The same maps on every machine: closed forms, no random numbers. A constant one is not among them: quantus refuses it."""
    cell = np.arange(12 * 20, dtype=np.float64).reshape(12, 20)
    wave = np.sin(1.7 * cell) + 0.3 * np.cos(0.31 * cell**1.1)
    peak = np.exp(-(((cell % 20) - 7) ** 2) / 9 - ((cell // 20) - 4) ** 2 / 4)
    return {
        "signed wave": wave,
        "one peak": peak,
        "large unit": 1e4 * wave,
        "binary": (wave > 0.6).astype(np.float64),
        "one cell": (cell == 33).astype(np.float64),
    }


if __name__ == "__main__":
    vars(np)["trapz"] = np.trapezoid  # quantus 0.6 was written for numpy 1
    import quantus

    asked = {"abs": True, "normalise": False, "disable_warnings": True, "display_progressbar": False}
    numbers = {}
    for name, values in maps().items():
        batch = {"model": None, "x_batch": values[None, None], "y_batch": np.zeros(1, int)}
        numbers[name] = {
            "sps": float(quantus.Sparseness(**asked)(a_batch=values[None, None].copy(), **batch)[0]),
            "comp": float(quantus.Complexity(**asked)(a_batch=values[None, None].copy(), **batch)[0]),
        }
    Path(__file__).with_name("quantus_numbers.json").write_text(json.dumps(numbers, indent=2) + "\n")
