"""The house: imports go one way, only two rooms print, and every room keeps to its size."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "hearwhy"
# A room may import from its own rank and from those before it.
RANKS = [
    ["types", "one_line"],
    ["audio", "front_ends", "cache", "windowing"],
    ["components", "separators", "networks", "classifiers"],
    ["answers", "memory", "blending", "targets", "mixing", "asking", "scoring", "attribution", "masks", "metrics"],
    ["game", "spectrum", "vector", "parents", "result", "trust", "check", "plan", "stopping", "staging", "storage", "timeline"],
    ["attributing", "masking", "mapping", "windowed", "explain"],
    ["datasets", "evaluate", "training", "fetch", "demo", "insight", "sanity"],
    ["plots", "report", "listing"],
    ["progress", "cli", "__main__"],
]
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
# Doors that open only when asked: an Attribution plots itself, and shows itself in a notebook.
DOORS = {("result", "plots"), ("result", "storage")}
MODULES = sorted(SRC.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hearwhy."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "hearwhy":
            names |= {alias.name for alias in node.names if alias.name in RANK}
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("hearwhy.")}
    return names


@pytest.mark.parametrize("path", [m for m in MODULES if m != SRC / "__init__.py"], ids=lambda p: str(p.relative_to(SRC)))
def test_imports_go_one_way(path):
    here = room(path)
    assert here in RANK, f"{here} has no place in the house yet: put it into RANKS"
    against = {
        there for there in imported(ast.parse(path.read_text())) if RANK[there] > RANK[here] and (here, there) not in DOORS
    }
    assert not against, f"{path.name} imports {against}, which stand above it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SRC)))
def test_modules_are_short_and_only_two_rooms_print(path):
    text = path.read_text()
    assert text.count("\n") <= 300, "split it: no module is longer than 300 lines"
    calls = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert not calls or room(path) in ("cli", "progress")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SRC)))
def test_nothing_unsafe_is_read_and_only_audio_touches_sound_files(path):
    tree = ast.parse(path.read_text())
    libraries = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    libraries |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not libraries & {"pickle", "dill", "joblib", "torchaudio", "torchvision"}
    assert "soundfile" not in libraries or room(path) == "audio"
