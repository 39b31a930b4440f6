"""A project in Python: an environment of its own by uv (pyproject.toml, uv.lock, .venv), a kernel, a notebook."""

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

UV = "/opt/workbench/uv/bin/uv"  # where people's PATH has none
PYTHON = "/usr/bin/python3"
LOCK = "uv.lock"
IGNORED = ".venv/\n__pycache__/\n.ipynb_checkpoints/\n.pytest_cache/\n"
REPORT = "report/report.ipynb"
SCHEDULED = REPORT  # what a schedule is told to run

# Under a name that is no package's: uv would take pandas for the project itself, in one that is called so.
_PYPROJECT = """\
[project]
name = "project-{name}"
version = "0.1.0"
description = ""
requires-python = ">=3.{minor}"
dependencies = ["ipykernel", "matplotlib", "pandas"]

[dependency-groups]
dev = ["pip", "pytest"]

[tool.pytest.ini_options]
pythonpath = ["src"]
testpaths = ["tests"]
"""
_CODE = '''\
"""What this project computes. The report and the tests import it."""

from pathlib import Path

import pandas as pd

DATA = Path(__file__).resolve().parents[1] / "data"


def read(path: Path = DATA / "raw" / "example.csv") -> pd.DataFrame:
    """The raw data: site, year, count."""
    return pd.read_csv(path)


def by_site(data: pd.DataFrame) -> pd.DataFrame:
    """How many at each site, the most first."""
    return data.groupby("site", as_index=False)["count"].sum().sort_values("count", ascending=False)


if __name__ == "__main__":
    result = by_site(read())
    result.to_csv(DATA / "derived" / "by_site.csv", index=False)
    print(result.to_string(index=False))
'''
_TEST = """\
import analysis


def test_all_are_counted() -> None:
    data = analysis.read()
    assert analysis.by_site(data)["count"].sum() == data["count"].sum()
"""
_RUN = """\
    uv sync                          # the environment, just as uv.lock has it
    uv run pytest                    # the tests
    uv run python src/analysis.py    # data/derived/by_site.csv
    uv add scikit-learn              # another package, into pyproject.toml and uv.lock

report/report.ipynb is the report: open it in JupyterLab with the kernel "{title}". Who has a copy of this project makes
that kernel with

    uv run python -m ipykernel install --user --name {kernel} --display-name "{title}" \\
        --env PATH "$PWD/.venv/bin:$PATH"
"""


def files(target: Path) -> Mapping[str, str]:
    """The project's files of this language by their paths."""
    minor = subprocess.run(
        [PYTHON, "-c", "import sys; print(sys.version_info.minor)"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "pyproject.toml": _PYPROJECT.format(name=target.name.lower(), minor=minor or "11"),
        "src/analysis.py": _CODE,
        "tests/test_analysis.py": _TEST,
        REPORT: json.dumps(notebook(target), indent=1) + "\n",
    }


def readme(target: Path) -> str:
    kernel, title = kernel_of(target)
    return _RUN.format(kernel=kernel, title=title)


def program(target: Path) -> Path:
    """The Python of the project's environment."""
    return target / ".venv" / "bin" / "python"


def kernel_of(target: Path) -> tuple[str, str]:
    """(name, title) of the project's kernel: no other project of its user's has it, not one of the same name either."""
    kernels = Path.home() / ".local/share/jupyter/kernels"
    base = f"project-{target.name.lower()}"
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
    name = next(one for one in names if _is_free(kernels / one / "kernel.json", target))
    return name, target.name if name == base else f"{target.name} ({target.parent.name})"


def _is_free(spec: Path, target: Path) -> bool:
    """Whether the kernel is this project's, nobody's, or one of a project that is gone."""
    try:
        used = Path(json.loads(spec.read_text())["argv"][0])
    except (OSError, ValueError, LookupError, TypeError):
        return not spec.exists()
    return used == program(target) or not used.exists()


def notebook(target: Path) -> dict[str, object]:
    """The report, as nbformat 4.5 has it."""
    kernel, title = kernel_of(target)
    cells = [
        ("markdown", f"# {target.name}\n\nCounts by site."),
        (
            "code",
            'import sys\n\nsys.path.insert(0, "../src")\nimport analysis\n\n'
            "result = analysis.by_site(analysis.read())\nresult",
        ),
        ("code", 'result.plot.bar(x="site", y="count", legend=False);'),
    ]
    made = []
    for number, (kind, text) in enumerate(cells):
        cell: dict[str, object] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    spec = {"name": kernel, "display_name": title, "language": "python"}
    return {"cells": made, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}


def commands(target: Path, shared: bool) -> Iterator[tuple[str, list[list[str]], dict[str, str]]]:
    """(what it makes, ways to make it, variables), in the order in which they build on each other.

    The second way goes by what was downloaded before, as where no network is.
    """
    uv = shutil.which("uv") or UV
    # In a shared folder files are copies, which others may change, and no links to those of the user's own cache.
    variables = {"UV_PYTHON_DOWNLOADS": "never", **({"UV_LINK_MODE": "copy"} if shared else {})}
    variables |= {"VIRTUAL_ENV": "", "UV_HTTP_TIMEOUT": os.environ.get("UV_HTTP_TIMEOUT", "15")}
    lock, sync = [uv, "lock", "--quiet", "--python", PYTHON], [uv, "sync", "--quiet", "--python", PYTHON]
    yield f"{LOCK}, with the version of each package", [lock, [*lock, "--offline"]], variables
    yield "the environment .venv", [sync, [*sync, "--offline"]], variables
    kernel, title = kernel_of(target)
    install = [str(program(target)), "-m", "ipykernel", "install", "--user", "--name", kernel]
    # So that `!pip` in a notebook is the environment's own, which it installs into.
    path = f"{program(target).parent}:${{PATH}}"
    yield f"the kernel {title}", [[*install, "--display-name", title, "--env", "PATH", path]], variables
