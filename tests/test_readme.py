"""The README's commands run as they are written, from the repository's root."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(heading: str) -> list[str]:
    """The lines of the first shell block under a heading, without their remarks."""
    section = README.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1]
    return [line.split("  #")[0].strip() for line in block.strip().splitlines()]


@pytest.fixture
def run(tmp_path):
    """Run a command as a shell in the root would, with `out/` and results in a folder of the test's own."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "MPLBACKEND": "Agg"}

    def run(command: str) -> subprocess.CompletedProcess:
        command = command.replace(" out/", f" {tmp_path}/out/").replace(":out/", f":{tmp_path}/out/")
        if command.startswith("hearwhy explain"):
            command += f" --out {tmp_path / 'result'}"
        return subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True)

    return run


def passed(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 0, f"{done.args}\n{done.stderr}"


@pytest.mark.parametrize(
    "heading", ["### torch.export and TorchScript", "### ONNX", "### Keras 3", "## Is my model fit to be explained?",
                "## Long recordings"]
)  # fmt: skip
def test_the_commands_of_a_section_run(run, heading):
    assert commands(heading)
    for command in commands(heading):
        passed(run(command))


@pytest.mark.parametrize("heading", ["### LiteRT and BirdNET", "### musicnn"])
def test_the_commands_of_models_that_are_fetched_run(run, heading):
    fetch, explain = commands(heading)
    fetched = run(fetch)
    if fetched.returncode:
        pytest.skip(f"it cannot be fetched here: {fetched.stderr.strip()}")
    passed(run(explain))


@pytest.mark.shared_data
def test_the_scikit_learn_example_trains_and_is_explained(run, shared_data, tmp_path):
    train, explain = commands("### Any Python callable, and scikit-learn")
    kept = ROOT / "examples" / "esc10_classifier.json"
    before = kept.read_text() if kept.exists() else None
    try:
        done = run(train.replace("ESC-10-FOLDER", str(shared_data / "esc10")))
        passed(done)
        assert "fold 5: accuracy 0.8" in done.stdout
        passed(run(f"{explain} --out {tmp_path / 'dog'}"))
    finally:
        if before is None:
            kept.unlink(missing_ok=True)
