"""`make lock`: resolves the locked environments of the host again, to the newest versions that their .in files allow.

Python's are resolved for the host's interpreter on both architectures, which have to agree: one file with the hashes
of all wheels then serves either. Those in UNIVERSAL have markers for the versions of Python that differ. npm's lock
names no registry, so that a mirror can be used.
"""

import subprocess
import sys

from deploy.locks import FOLDER, NAMES, NPM_FILES, UNIVERSAL, header
from workbench.checks import OLDEST_PYTHON
from workbench.errors import WorkbenchError
from workbench.versions import PYTHON

PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")


def resolve(name: str, platform: str) -> str:
    """NAME.in as pinned, hashed requirements for one platform. Raises WorkbenchError with uv's reason."""
    command = ["uv", "--no-config", "pip", "compile", "--quiet", "--generate-hashes", "--no-header"]
    command += ["--no-annotate"]
    if name in UNIVERSAL:
        command += ["--universal", "--python-version", f"3.{OLDEST_PYTHON}"]
    else:
        command += ["--python-version", PYTHON, "--python-platform", platform]
    done = subprocess.run([*command, f"{name}.in"], cwd=FOLDER, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise WorkbenchError(
            f"deploy/locks/{name}.in cannot be resolved for {platform}: {done.stderr.strip()}"
        )
    return done.stdout


def lock_python(name: str) -> None:
    """Writes NAME.txt."""
    first, *others = (resolve(name, platform) for platform in PLATFORMS)
    if any(other != first for other in others):
        raise WorkbenchError(
            f"deploy/locks/{name}.in resolves differently for {' and '.join(PLATFORMS)}; "
            "hold back what only one of them has."
        )
    (FOLDER / f"{name}.txt").write_text(header(name) + first)


def lock_npm(name: str) -> None:
    """Writes NAME/package-lock.json. Raises WorkbenchError with npm's reason."""
    command = [
        "npm",
        "install",
        "--package-lock-only",
        "--ignore-scripts",
        "--omit-lockfile-registry-resolved",
    ]
    (FOLDER / name / NPM_FILES[1]).unlink(missing_ok=True)
    done = subprocess.run(command, cwd=FOLDER / name, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise WorkbenchError(f"deploy/locks/{name}/package.json cannot be resolved: {done.stderr.strip()}")


def main() -> int:
    """Locks all environments; 1 and a sentence where one cannot be."""
    try:
        for name in NAMES:
            print(f"Resolving {name}")
            lock_python(name)
            if (FOLDER / name / NPM_FILES[0]).exists():
                lock_npm(name)
    except FileNotFoundError as error:
        print(f"There is no `{error.filename}` on the PATH, which `make lock` needs.", file=sys.stderr)
        return 1
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
