"""Torch archives: what kind a file is, and a copy of it that cannot run anything but networks.

`torch.export.load` unpickles example inputs and odd weights, evaluates sizes and guards as Python, and loads compiled
libraries that it finds. Here an archive is read as the zip that it is, everything that could run is refused, and only what
a network needs is copied into a new archive, which is what torch then gets to see.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch

Kind = Literal["export", "script"]
REMEDY = "save it with torch.export.save(torch.export.export(network.eval(), (example,)), FILE)"
PICKLED = (
    "holds pickled weights or a pickled module: weights do not say their network, and a pickled module runs any code when it "
    "is read. Build the network in Python, load the weights with torch.load(..., weights_only=True), and " + REMEDY
)
FUNCTIONS = frozenset(
    ["Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max", "Min", "Mod", "Abs", "FloorDiv", "ModularIndexing",
     "Where", "PythonMod", "CleanDiv", "CeilToInt", "FloorToInt", "CeilDiv", "IntTrueDiv", "FloatTrueDiv", "FloatPow",
     "PowByNatural", "TruncToFloat", "TruncToInt", "RoundToInt", "RoundDecimal", "ToFloat", "Identity", "LShift", "RShift",
     "IsNonOverlappingAndDenseIndicator", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "Equality", "Unequality",
     "GreaterThan", "LessThan", "StrictGreaterThan", "StrictLessThan", "max", "min", "int_oo"]
)  # fmt: skip
"""What sizes in an exported program are made of."""
REGIONS = frozenset(f"torch.ops.higher_order.{name}" for name in ("wrap_with_set_grad_enabled", "wrap_with_autocast"))
FILES = re.compile(r"\b(save|from_file|load_library)\b")
"""Operators that write or open files."""
PLAIN = re.compile(r"(torch\.sym_\w+|_operator\.(?!.*(getter|caller|call))\w+|math\.\w+)")
TREES = frozenset({"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", None})


def kind_of(path: Path) -> Kind:
    """Return which kind of archive a file is, by its content.

    Raises
    ------
    ValueError
        It is neither an exported program nor TorchScript.
    """
    if not zipfile.is_zipfile(path):
        old = path.read_bytes()[:1] == b"\x80"
        raise ValueError(f"{path} {PICKLED if old else 'is no file that torch wrote, or a broken one'}.")
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2] or name for name in archive.namelist()}
    if any(name.startswith("data/aotinductor/") for name in names):
        raise ValueError(f"{path} holds a compiled library, which runs any code when it is loaded; {REMEDY} instead.")
    if any(re.fullmatch(r"models/[^/]+\.json", name) for name in names):
        return "export"
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return "script"
    if "serialized_exported_program.json" in names:
        raise ValueError(f"{path} was exported by torch 2.7 or older; {REMEDY} with a newer torch.")
    raise ValueError(f"{path} {PICKLED if 'data.pkl' in names else 'is a zip file that torch did not write'}.")


def vetted(path: Path, kind: Kind) -> tuple[io.BytesIO, dict[str, str]]:
    """Return a safe copy of an archive and the extra files in it, as text.

    Raises
    ------
    ValueError
        Something in it could run more than a network, or names an operator that is not registered here.
    """
    with zipfile.ZipFile(path) as archive:
        records = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    extra = {
        name.removeprefix("extra/"): content.decode("utf-8", "replace")
        for name, content in records.items()
        if name.startswith("extra/")
    }
    if kind == "script":
        _check_script(records, path)
        return _packed(records), extra
    kept = {name: content for name, content in records.items() if not name.startswith(("extra/", "data/sample_inputs/"))}
    for name in kept:
        if re.fullmatch(r"data/(weights|constants)/[^/]+\.json", name):
            _check_payload(json.loads(kept[name]), path)
        elif re.fullmatch(r"data/(weights|constants)/[^/]+\.pt", name):
            raise ValueError(f"{path} {PICKLED}.")
    for name in [name for name in kept if name.startswith("models/")]:
        _check_program(json.loads(kept[name]), path)
        kept[f"data/sample_inputs/{Path(name).stem}.pt"] = b""  # example inputs are a pickle, and nobody needs them
    return _packed(kept), extra


def _packed(records: dict[str, bytes]) -> io.BytesIO:
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as archive:
        for name, content in records.items():
            archive.writestr(f"archive/{name}", content)
    copy.seek(0)
    return copy


def _check_script(records: dict[str, bytes], path: Path) -> None:
    """TorchScript is a language of its own without Python in it, but it knows operators on files."""
    for name, content in records.items():
        if not name.startswith("code/") or not name.endswith(".py"):
            continue
        text = content.decode("utf-8", "replace")
        found = FILES.search(text) or re.search(r"getattr\([^)]*\\", text)
        if found:
            raise ValueError(f"{path} could write or open files ({found.group(0)} in {name}); {REMEDY} instead.")


def _check_payload(payload: dict[str, Any], path: Path) -> None:
    for name, entry in payload.get("config", {}).items():
        if entry.get("use_pickle") or not re.match(r"(weight|tensor)_\d+$", entry.get("path_name", "")):
            raise ValueError(
                f"{path} holds {name} as a pickle, which could run any code when it is read. Save the network without sparse "
                "tensors, tensor subclasses and objects of other classes."
            )


def _check_program(program: dict[str, Any], path: Path) -> None:
    try:
        for guard in program.get("guards_code", []):
            _check_expression(guard, guards=True)
        for key, value in _fields(program):
            if key == "expr_str":
                _check_expression(value)
            elif key == "target":
                _check_operator(value)
            elif key in ("in_spec", "out_spec") and value:
                _check_tree(json.loads(value))
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"{path} {error}") from error


def _fields(part: Any) -> Iterator[tuple[str, Any]]:
    """Every key and plain value of a JSON document, at any depth."""
    stack = [part]
    while stack:
        here = stack.pop()
        if isinstance(here, dict):
            yield from ((key, value) for key, value in here.items() if isinstance(value, str))
            stack.extend(here.values())
        elif isinstance(here, list):
            stack.extend(here)


def _check_expression(text: str, *, guards: bool = False) -> None:
    """Sizes and guards are arithmetic on whole numbers; torch evaluates them as Python, so they must be nothing else."""
    harmless = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.operator, ast.unaryop, ast.boolop,
                ast.cmpop, ast.expr_context, ast.keyword)  # fmt: skip
    sizes = re.sub(r"L\['\w+'\](\[\d+\])*\.(size|stride)\(\)\[\d+\]", "1", text) if guards else text
    for node in ast.walk(ast.parse(sizes, mode="eval")):
        name = isinstance(node, ast.Name) and (node.id in FUNCTIONS or re.fullmatch(r"[a-z]+\d+", node.id))
        number = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS
        symbol = isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[a-z]+\d+", node.value)
        if not (isinstance(node, harmless) or name or number or called or symbol):
            raise ValueError(f"holds a size that is no arithmetic but could be code: {text[:80]!r}; {REMEDY}.")


def _check_operator(target: str) -> None:
    if target in REGIONS or PLAIN.fullmatch(target):
        return
    found: Any = torch.ops
    names = target.split(".")
    if names[:2] != ["torch", "ops"] or len(names) != 5 or FILES.search(target):
        raise ValueError(f"calls {target}, which is no operator of a network; {REMEDY} without it.")
    for name in names[2:]:
        found = getattr(found, name, None)
    if not isinstance(found, torch._ops.OpOverload):
        raise ValueError(
            f"needs the operator {names[2]}::{names[3]}, which is not registered here; import the library that defines it "
            "first and give the model as py:module:attribute, or export the network without it."
        )


def _check_tree(spec: Any) -> None:
    """How inputs and answers nest: other types than the plain ones are imported by name when they are read."""
    for key, value in _fields(spec):
        if key == "type" and value not in TREES:
            raise ValueError(f"takes or gives {value}; export a network that takes one tensor and gives one tensor.")
