"""A repository of R packages as small as they can be, which stands in for CRAN: it cannot be reached where tests run.

What is tested with it is how packages are locked, fetched, compared, built by R itself and switched; nothing of it says
how Posit's binaries behave.
"""

import io
import tarfile
from collections.abc import Mapping

DESCRIPTION = """\
Package: {name}
Version: {version}
Title: A Stand-In
Description: A stand-in for a package of CRAN.
Author: tests
Maintainer: tests <tests@example.org>
License: GPL-3
"""


def package(name: str, version: str, fields: str = "", files: Mapping[str, str] | None = None) -> bytes:
    """A source archive with a function `answer`, which says the version; `fields` are more lines of DESCRIPTION.

    `files` are more files by their paths in the package; what is called configure may be run.
    """
    contents = {
        "DESCRIPTION": DESCRIPTION.format(name=name, version=version) + fields,
        "NAMESPACE": "export(answer)\n",
        f"R/{name}.R": f'answer <- function() "{name} {version}"\n',
        **(files or {}),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in contents.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size, member.mode = len(text.encode()), 0o755 if path == "configure" else 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def files(*packages: tuple[str, str, str, bytes]) -> dict[str, bytes]:
    """The repository of these packages (name, version, further fields, archive): path -> content."""
    found = {f"src/contrib/{name}_{version}.tar.gz": content for name, version, _, content in packages}
    index = "\n".join(
        f"Package: {name}\nVersion: {version}\n{fields}" for name, version, fields, _ in packages
    )
    return {**found, "src/contrib/PACKAGES": index.encode()}
