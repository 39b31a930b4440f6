"""The locked environments of the host: what stands in NAME.in, resolved with hashes in NAME.txt.

An environment may have npm packages too: deploy/locks/NAME/package.json and its package-lock.json.
`python -m deploy.locks` (`make lock`) resolves all of them again.
"""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
NAMES = ("uv", "caddy", "python", "kernel", "jupyterhub")
UNIVERSAL = (
    "kernel",
)  # resolved for every version of Python that may be asked for, not for the host's alone
NPM_FILES = ("package.json", "package-lock.json")


def header(name: str) -> str:
    """The first line of NAME.txt: names the state of NAME.in that it was made from, so that a stale one is seen."""
    digest = hashlib.sha256((FOLDER / f"{name}.in").read_bytes()).hexdigest()
    return f"# Made by `make lock` from {name}.in with sha256 {digest}\n"


def files(name: str) -> dict[str, bytes]:
    """Everything that decides what the environment `name` holds: file name on the host -> content."""
    found = {"requirements.txt": (FOLDER / f"{name}.txt").read_bytes()}
    for npm in NPM_FILES:
        if (FOLDER / name / npm).exists():
            found[npm] = (FOLDER / name / npm).read_bytes()
    return found


def digest(name: str) -> str:
    """12 hexadecimal digits that change whenever anything in `files(name)` does."""
    total = hashlib.sha256()
    for file, content in sorted(files(name).items()):
        total.update(f"{file}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:12]
