"""workbench-project [--language python|r] [--in FOLDER] NAME: makes a small project.

    data/raw, data/derived   what comes in (kept out of git, but for the example) and what is made of it
    src or R, tests          code, and what says that it is right
    report                   a notebook, or R Markdown, that runs as it is
    uv.lock or renv.lock     the version of each package, from which the environment is made again elsewhere
    README.md, .gitignore    and a repository of git with the first commit

FOLDER is one in your home, which is the default, or a shared one (~/shared/GROUP), where the group works in it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from workbench_host import trust_folder
from workbench_host.accounts.shared import SHARED
from workbench_host.projects import python, r
from workbench_host.tools import FailureError, UsageError, printable, status_of

LANGUAGES: dict[str, ModuleType] = {"python": python, "r": r}
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")
LONGEST = 50
HALF = ".workbench-project-"  # what a folder is made in
HALF_SECONDS = 60  # for so long another call's is not touched
GITIGNORE = """\
# Data is large, and not everybody's: keep it where it is backed up, and say in README.md where it comes from.
data/raw/*
data/derived/*
!data/**/.gitkeep
!data/raw/example.csv
"""
EXAMPLE = "site,year,count\nnorth,2024,12\nnorth,2025,15\nsouth,2024,7\nsouth,2025,9\nwest,2025,21\n"
README = """\
# {name}

What this is about, for whom, and where data/raw comes from.

{run}
To run the report every Monday at seven, also while you are away:

    workbench-schedule add {schedule} "Mon 07:00" {report}
"""


def parsed(arguments: Sequence[str]) -> tuple[str, str, Path]:
    """(name, language, folder). Raises UsageError."""
    rest, given = list(arguments), []
    options = {"--language": "python", "--in": str(Path.home())}
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if option in options:
            if not equals and not rest:
                raise UsageError(f"{option} takes a value")
            options[option] = value if equals else rest.pop(0)
        elif word.startswith("-"):
            raise UsageError(f"there is no option {word}")
        else:
            given.append(word)
    if len(given) != 1:
        raise UsageError("it takes the name of one project")
    if options["--language"].lower() not in LANGUAGES:
        raise UsageError(f"--language is {options['--language']!r}; takes python or r")
    return given[0], options["--language"].lower(), Path(options["--in"]).expanduser()


def place(name: str, folder: Path) -> tuple[Path, bool]:
    """Where the project will be, and whether that is a shared folder. Raises FailureError where it cannot be there."""
    if len(name) > LONGEST or not NAME.fullmatch(name):
        raise FailureError(
            f"{name!r} cannot be a project's name; it takes up to {LONGEST} letters and digits, with - or _ between "
            "them, such as bird-counts"
        )
    if not folder.is_dir():
        raise FailureError(f"there is no folder {folder}")
    real = folder.resolve()
    shared = Path(SHARED).resolve() in real.parents
    home = Path.home().resolve()
    if not shared and real != home and home not in real.parents:
        raise FailureError(f"{folder} is neither in your home nor a shared folder (~/shared/GROUP)")
    if not os.access(real, os.W_OK | os.X_OK):
        raise FailureError(f"you may not write to {folder}")
    if os.path.lexists(real / name):
        raise FailureError(
            f"{real / name} is there already; take another name, or another folder"
            + (
                "; its README.md has the commands for its environment"
                if (real / name / "README.md").is_file()
                else ""
            )
        )
    return real / name, shared


def texts(target: Path, language: ModuleType) -> dict[str, str]:
    """All files by their paths, but for what the environment's tools write."""
    name = target.name
    schedule = re.sub(r"[^a-z0-9-]", "-", name.lower())[:40]
    run = language.readme(target)
    return {
        "README.md": README.format(name=name, run=run, schedule=schedule, report=language.SCHEDULED),
        ".gitignore": GITIGNORE + language.IGNORED,
        "data/raw/.gitkeep": "",
        "data/raw/example.csv": EXAMPLE,
        "data/derived/.gitkeep": "",
        **language.files(target),
    }


def write(target: Path, contents: Mapping[str, str]) -> None:
    """Makes the folder with its files, whole or not at all; what a call that was killed left of one goes."""
    for left in target.parent.glob(f"{HALF}*"):
        if left.lstat().st_uid == os.getuid() and left.lstat().st_mtime < time.time() - HALF_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    beside = Path(tempfile.mkdtemp(prefix=HALF, dir=target.parent))
    try:
        inner = beside / target.name  # made as its place has it: group, setgid bit and ACL are inherited
        inner.mkdir()
        for path, text in contents.items():
            (inner / path).parent.mkdir(parents=True, exist_ok=True)
            (inner / path).write_text(text)
        inner.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def ran(words: Sequence[str], folder: Path, variables: Mapping[str, str]) -> str:
    """Runs a command; "" where it went well, else the last that it said."""
    environment = {**os.environ, **variables}
    environment = {key: value for key, value in environment.items() if value}
    try:
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        return f"{words[0]} cannot be run: {error.strerror}"
    said = [line.strip() for line in printable(done.stderr or done.stdout).splitlines() if line.strip()]
    return "" if done.returncode == 0 else (" ".join(said[-3:])[-500:] or f"status {done.returncode}")


def environment(target: Path, language: ModuleType, shared: bool) -> str:
    """Makes it; what could not be made, "" where all could. What builds on that is not tried."""
    for what, ways, variables in language.commands(target, shared):
        print(f"Making {what} ...", flush=True)
        why = ""
        for words in ways:
            said = ran(words, target, variables)
            if not said:
                why = ""
                break
            why = why or said
        if why:
            return f"{what[0].upper()}{what[1:]} could not be made: {why}"
    return ""


def repository(target: Path, shared: bool) -> str:
    """Makes it with the first commit; what is missing for that, "" where nothing is."""
    init = ["git", "init", "--quiet", "--initial-branch=main", *(["--shared=group"] if shared else [])]
    for words in (init, ["git", "add", "--all"]):
        if said := ran(words, target, {}):
            return f"The repository of git could not be made: {said}"
    # Not by a name that git makes out of the account's and the host's.
    if ran(["git", "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"], target, {}):
        return (
            'git does not know who you are, so there is no first commit yet: git config --global user.name "Ada '
            'Lovelace"; git config --global user.email ada@example.org; then, in '
            f'{target}, git commit -m "Begin"'
        )
    if said := ran(["git", "commit", "--quiet", "--message", f"Begin {target.name}"], target, {}):
        return f"The first commit could not be made: {said}"
    return ""


def make(name: str, language: str, folder: Path) -> int:
    target, shared = place(name, folder)
    write(target, texts(target, LANGUAGES[language]))
    if shared:
        # git and R run nothing in a folder of others before its user says so, and this is who asks for it.
        trust_folder.main([str(target)])
    lacking = [environment(target, LANGUAGES[language], shared), repository(target, shared)]
    lacking = [one for one in lacking if one]
    print(f"{target} is there.")
    for one in lacking:
        print(f"{one}.", file=sys.stderr)
    if lacking:
        print("The rest stands; README.md of the project has the commands.", file=sys.stderr)
    if shared:
        print(f"Each member of the group who works in it runs once: trust-folder {target}")
    return 1 if lacking else 0


def _stop(_: int, __: object) -> NoReturn:
    raise KeyboardInterrupt


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print((__doc__ or "").strip())
        return 0 if arguments else 2
    if os.geteuid() == 0:
        print("workbench-project is for users, in whose home the project is to be.", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _stop)
    try:
        return status_of("workbench-project", lambda: make(*parsed(arguments)))
    except KeyboardInterrupt:
        print("Ended before it was through. What is there of the project can be deleted.", file=sys.stderr)
        return 130
