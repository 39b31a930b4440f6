"""A Python index (simple API) of packages as small as they can be, which stands in for PyPI: a folder of files.

`wheel` and `sdist` make them; a sdist's setup.py runs `code` when it is built, as anybody's may.
"""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """One file of a package, and the path of the index that it has."""

    name: str
    version: str
    file_name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pin(self) -> str:
        """The lines of a lock that want it."""
        return f"{self.name}=={self.version} \\\n    --hash=sha256:{self.sha256}\n"


def wheel(name: str, version: str, code: str = "", script: str = "") -> File:
    """A wheel with one module, which says its version, and a command `script` where one is named."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n{code}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if script:
        files[f"{name}-{version}.data/scripts/{script}"] = "#!python\n"
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return File(name, version, f"{name}-{version}-py3-none-any.whl", packed.getvalue())


def sdist(name: str, version: str, code: str) -> File:
    """A source archive whose own build backend runs `code`, and then makes the wheel of the same name."""
    made = wheel(name, version)
    backend = (
        f"{code}\nfrom pathlib import Path\nWHEEL = {made.content!r}\n"
        "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
        f"    (Path(folder) / {made.file_name!r}).write_bytes(WHEEL)\n    return {made.file_name!r}\n"
    )
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in {"backend.py": backend, "pyproject.toml": project, "PKG-INFO": metadata}.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return File(name, version, f"{name}-{version}.tar.gz", packed.getvalue())


def files(*packages: File) -> dict[str, bytes]:
    """The index of these packages: path -> content."""
    found = {f"simple/{one.name}/{one.file_name}": one.content for one in packages}
    for name in {one.name for one in packages}:
        links = "".join(
            f'<a href="{one.file_name}#sha256={one.sha256}">{one.file_name}</a>\n'
            for one in packages
            if one.name == name
        )
        found[f"simple/{name}/index.html"] = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
    return found


def write(folder: Path, *packages: File) -> None:
    """Puts the index into a folder, from which any web server gives it out."""
    for path, content in files(*packages).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
