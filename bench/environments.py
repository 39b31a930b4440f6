"""A team environment of some sixty packages: installed for the first time and by uv alone, and gone back to.

All are fetched anew each time, by `workbench deploy` as by uv on the host, from the same index and with the same
options (bytecode compiled). Then what five environments cost a deploy that changes nothing.
"""

import shutil
from pathlib import Path

from bench.results import keep, median, rounded, show, timed
from bench.workbench import Measured
from workbench import stackfile, team

# With what these need, and a kernel, more than sixty.
WANTED = (
    "numpy pandas scipy scikit-learn matplotlib seaborn statsmodels requests beautifulsoup4 lxml openpyxl sqlalchemy "
    "fastapi uvicorn pydantic jinja2 rich typer tqdm networkx pillow plotly pyarrow"
).split()
SMALL = ("six",)
OTHERS = 4
COUNT = "ls -d /opt/environments/sixty/lib/python3*/site-packages/*.dist-info | wc -l"
# What the last deploy was told has the lock, which is too long for a command line.
BARE = """
set -e; cd $(mktemp -d); export UV_CACHE_DIR=$PWD/cache UV_PYTHON_DOWNLOADS=never UV_NO_CONFIG=1 UV_SYSTEM_CERTS=1
python3 - > lock.txt <<END
import json
told = json.load(open("/etc/workbench/environments.json"))["environments"]
print(next(one["lock"] for one in told if one["name"] == "sixty"))
END
uv=/opt/workbench/uv/bin/uv; begin=$(date +%s.%N)
$uv venv --quiet --python /usr/bin/python3 environment
$uv pip sync --quiet --python environment/bin/python --compile-bytecode --require-hashes lock.txt
python3 -c "import time; print(time.time() - $begin)"
rm -rf "$PWD"
"""


def measure(bench: Measured) -> None:
    """Fresh and bare twice each, in turn; the rest as the other measurements do."""
    path = stackfile.path_of(bench.stack)
    before, folder = path.read_text(), path.resolve().parent / "team-of-bench"
    folder.mkdir()
    try:
        bench.deploy()
        none = median(bench.idle_deploy)
        _declare(bench, path, folder, {"sixty": WANTED})
        lock = team.folder(path) / "sixty.txt"
        whole = lock.read_text()
        packages, fresh, bare = _fresh_and_bare(bench, path, folder, none)
        again = _again(bench, folder, lock, whole)
        _declare(bench, path, folder, {"sixty": WANTED, **{f"more{n}": SMALL for n in range(OTHERS)}})
        bench.deploy()
        five = median(bench.idle_deploy)
    finally:
        path.write_text(before)
        shutil.rmtree(folder)
        bench.deploy()
        shutil.rmtree(team.folder(path), ignore_errors=True)
    measured = {
        "fresh_s": min(fresh),
        "bare_uv_s": min(bare),
        "again_s": again,
        "noop_s": none,
        "noop_of_five_s": five,
    }
    show(f"An environment of {packages} packages", measured, min(bare), "bare uv")
    keep("environments", {"packages": packages, **rounded(measured), "noop_more_s": round(five - none, 2)})


def _fresh_and_bare(
    bench: Measured, path: Path, folder: Path, none: float
) -> tuple[int, list[float], list[float]]:
    """How many packages there are, and in what times they come, ours and with bare uv; they are there in the end."""
    packages, fresh, bare = 0, [], []
    for _ in range(2):
        fresh.append(timed(bench.deploy) - none)
        bare.append(_bare(bench))
        packages = int(bench.ssh(COUNT).stdout)
        _declare(bench, path, folder, {})
        bench.deploy()
        _declare(bench, path, folder, {"sixty": WANTED})
    bench.deploy()
    return packages, fresh, bare


def _again(bench: Measured, folder: Path, lock: Path, whole: str) -> float:
    """The time of a switch back to a former one."""
    (folder / "sixty.txt").write_text("\n".join(SMALL))
    _lock(bench)
    bench.deploy()
    (folder / "sixty.txt").write_text("\n".join(WANTED))
    lock.write_text(whole)
    return timed(bench.deploy)


def _declare(
    bench: Measured, path: Path, folder: Path, wanted: dict[str, tuple[str, ...] | list[str]]
) -> None:
    """Writes these environments of Python into the stack file, and locks those that are not locked."""
    for name, packages in wanted.items():
        (folder / f"{name}.txt").write_text("\n".join(packages))
    listed = [
        {"name": name, "python": "3.13", "requirements": f"{folder.name}/{name}.txt"} for name in wanted
    ]
    stackfile.set_value(path, "environments", listed)
    if listed:
        _lock(bench)


def _lock(bench: Measured) -> None:
    bench.command("lock")


def _bare(bench: Measured) -> float:
    """Seconds that uv alone takes on the host, without anything of an earlier run."""
    return float(bench.ssh(BARE).stdout.split()[-1])
