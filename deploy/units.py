"""systemd units: started, enabled, and restarted when what they read is no longer what they were started with.

A run can die between the writing of a file and the restart of its reader. So every service records at its start, in
/run/workbench/started/<unit>, the digest of the files that it reads (a drop-in does it, whoever starts or reloads it);
this module compares that with the files as they are now.
"""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from shlex import join, quote
from typing import Any

from pyinfra.api.command import StringCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import operation
from pyinfra.context import host

from deploy.files import Content, Described, coming, digests, replacing
from workbench.settings import Service

UNITS = "/etc/systemd/system"
STARTED = "/run/workbench/started"
DROP_IN = "50-workbench-started.conf"
RECORDED_KIND = ".service"  # the only kind of unit that may have an ExecStartPre
SHOWN = "LoadState,UnitFileState,ActiveState,ConditionResult,ConditionTimestampMonotonic,NeedDaemonReload"


def drop_in(unit: str) -> str:
    """Where our drop-in of a unit stands."""
    return f"{UNITS}/{unit}.d/{DROP_IN}"


def digest_script(paths: Sequence[str]) -> str:
    """Shell that prints one digest of all `paths`, in their order; one that is missing counts as such."""
    return f"sha256sum {join(paths)} 2>/dev/null | sha256sum | cut -d' ' -f1"


def digest_of(sums: Sequence[tuple[str, str]]) -> str:
    """What that script prints where sha256sum says so: digest and path of each file that there is."""
    return hashlib.sha256("".join(f"{digest}  {path}\n" for digest, path in sums).encode()).hexdigest()


def started_with(unit: str) -> list[str]:
    """The unit, and where it is a timer or a path also the service of its name, whose file is read with it."""
    starts = PurePosixPath(unit).suffix in {".timer", ".path", ".socket"}
    return [unit, f"{PurePosixPath(unit).stem}{RECORDED_KIND}"] if starts else [unit]


def record_script(unit: str, paths: Sequence[str]) -> str:
    """Shell that records the digest of `paths` as what `unit` was started with."""
    return (
        f"mkdir -p -m 755 /run/workbench {STARTED} && {{ {digest_script(paths)}; }} > {STARTED}/{quote(unit)}"
    )


def shell_line(script: str) -> str:
    """`script` as a command in a unit file, by the rules of systemd.service(5), "Command lines"."""
    script = script.replace("\\", "\\\\").replace('"', '\\"')
    return f'/bin/sh -c "{script.replace("%", "%%").replace("$", "$$")}"'


def answering(service: Service) -> str:
    """An ExecStartPost with which a unit counts as started once the service's address answers with success.

    Without it one of Type=simple does as soon as its process exists, and requests that come at once fail. It fails
    when the unit's main process is gone; for how long it may last, systemd's TimeoutStartSec says. It belongs into a
    file that is written before any unit is started: a restart can bring others along (PartOf=).
    """
    where = f"--unix-socket {quote(service.socket)} " if service.socket else ""
    ask = f"curl -q --noproxy '*' --silent --fail --output /dev/null --max-time 5 {where}{quote(service.address)}"
    return shell_line(f'until {ask}; do test -z "$MAINPID" || kill -0 "$MAINPID" || exit 1; sleep 0.2; done')


def drop_in_text(unit: str, paths: Sequence[str], reload: bool) -> str:
    """The drop-in: `-` since a record that fails must not keep a service down, `+` to stand outside its sandbox.

    With `reload` a reload is recorded too, whoever asks for it; systemd comes to that line when the unit's own
    ExecReload lines have succeeded.
    """
    record = f"-+{shell_line(record_script(unit, paths))}"
    verbs = ["ExecStartPre", "ExecReload"] if reload else ["ExecStartPre"]
    lines = [f"{verb}={record}\n" for verb in verbs]
    about = "# From the workbench's deploy: records what the service was started with (deploy/units.py).\n"
    return f"{about}[Service]\n{''.join(lines)}"


@dataclass(frozen=True)
class UnitState:
    """What systemd says of a unit, and the digests of what it reads: `now`, and as `recorded` at its start."""

    loaded: bool
    enabled: bool
    active: bool
    unwanted: bool  # a Condition of the unit says no: it is not to run on this kind of machine
    stale: bool  # its unit file changed since systemd read it
    down: bool = False  # it neither runs nor is about to
    now: str = ""
    recorded: str = ""
    drop_in: str = ""  # digest of our drop-in
    sums: tuple[tuple[str, str], ...] = ()  # digest and path of each file that `now` is about


class Unit(FactBase[UnitState]):
    """The UnitState of one unit."""

    def command(self, unit: str, paths: Sequence[str]) -> str:
        return self.batch([{"unit": unit, "paths": paths}])

    def process(self, output: list[str]) -> UnitState:
        said = dict(line.split("=", 1) for line in reversed(output) if "=" in line)
        read = digests(output[_recorded_at(output) + 1 :])
        sums = tuple((digest, path) for digest, path in read if not path.endswith(DROP_IN))
        return UnitState(
            loaded=said.get("LoadState") == "loaded",
            enabled=said.get("UnitFileState") in {"enabled", "static", "alias", "generated", "indirect"},
            active=said.get("ActiveState") in {"active", "reloading"},
            down=said.get("ActiveState") in {"inactive", "failed", None},
            unwanted=said.get("ConditionResult") == "no" and said.get("ConditionTimestampMonotonic") != "0",
            stale="NeedDaemonReload=yes" in output,
            now=digest_of(sums),
            recorded=said["Recorded"],
            drop_in=next((digest for digest, path in read if path.endswith(DROP_IN)), ""),
            sums=sums,
        )

    @staticmethod
    def batch(asked: Sequence[Mapping[str, Any]]) -> str:
        units = [one["unit"] for one in asked]
        shown = join(name for unit in units for name in started_with(unit))
        paths = join(dict.fromkeys(path for one in asked for path in _looked_at(one)))
        return (
            f"systemctl show -p {SHOWN} {shown}; for unit in {join(units)}; do recorded=; "
            f'{{ read -r recorded < "{STARTED}/$unit"; }} 2>/dev/null; echo "Recorded=$recorded"; done; '
            f"sha256sum {paths} 2>/dev/null || true"
        )

    @staticmethod
    def split(asked: Sequence[Mapping[str, Any]], output: Sequence[str]) -> Sequence[Sequence[str]]:
        first = _recorded_at(output)
        names = [name for one in asked for name in started_with(one["unit"])]
        shown = "\n".join(output[:first]).split("\n\n")
        blocks = iter([block for _, block in zip(names, shown, strict=True)])
        recorded, sums = output[first : first + len(asked)], output[first + len(asked) :]
        by_path = dict(zip((path for _, path in digests(sums)), sums, strict=True))
        said = []
        for one, record in zip(asked, recorded, strict=True):
            block = "\n\n".join(next(blocks) for _ in started_with(one["unit"]))
            read = [by_path[path] for path in _looked_at(one) if path in by_path]
            said.append([*block.split("\n"), record, *read])
        return said


def _recorded_at(output: Sequence[str]) -> int:
    """The line with the first recorded digest, which is after all that systemd says."""
    return [line.partition("=")[0] for line in output].index("Recorded")


def _looked_at(one: Mapping[str, Any]) -> list[str]:
    """The files whose digests a reading of a unit needs: what it reads, in its order, and our drop-in."""
    return [*one["paths"], drop_in(one["unit"])]


def unit_paths(unit: str, reads: Sequence[str]) -> list[str]:
    """All that a unit depends on, each file once: what it reads, and its own unit file where that is ours."""
    return list(dict.fromkeys([f"{UNITS}/{unit}", *reads]))


def soon(state: UnitState, unit: str, paths: Sequence[str]) -> UnitState:
    """The state once this run has put the files that it is going to put (files.coming)."""
    looked_at = [*paths, *(f"{UNITS}/{name}" for name in started_with(unit))]
    new = {path: content.sha256 for path in looked_at if (content := coming(path))}
    if not new:
        return state
    sums = {**{path: digest for digest, path in state.sums}, **new}
    now = digest_of([(sums[path], path) for path in paths if path in sums])
    return replace(state, now=now, stale=state.stale or any(path.startswith(UNITS) for path in new))


@operation()
def service(
    unit: str, reads: Sequence[str] = (), reload: bool = False
) -> Generator[StringCommand, None, None]:
    """Enables and starts `unit`, restarts it (or reloads, with `reload`) where a file that it reads changed.

    `reads` are paths on the host; the unit's own file in /etc/systemd/system is always among them. A unit that one of
    its own Conditions keeps from running is left alone. Units that are no services (timers, paths) are stopped before
    systemd reads their file again, so that one which runs is never an old one.
    """
    paths = unit_paths(unit, reads)
    state = soon(host.get_fact(Unit, unit=unit, paths=paths), unit, paths)
    if PurePosixPath(unit).suffix == RECORDED_KIND:
        yield from _service(unit, paths, state, reload)
        return
    if state.stale or not state.loaded:
        yield StringCommand(f"systemctl stop {quote(unit)} 2>/dev/null; systemctl daemon-reload")
    if not state.enabled:
        yield StringCommand(f"systemctl enable {quote(unit)}")
    if state.stale or not (state.active or state.unwanted):
        yield _started("start", unit)


@operation()
def off(unit: str) -> Generator[StringCommand, None, None]:
    """Stops `unit`, and keeps it from starting at boot; nothing where there is no such unit."""
    state = host.get_fact(Unit, unit=unit, paths=unit_paths(unit, []))
    if not state.down:
        yield StringCommand(f"systemctl stop {quote(unit)}")
    if state.enabled:
        yield StringCommand(f"systemctl disable {quote(unit)}")


class Running(FactBase[list[str]]):
    """The units that match `pattern`, and run or are about to."""

    def command(self, pattern: str) -> str:
        states = "active,activating,reloading,deactivating"
        return f"systemctl list-units --plain --no-legend --full --state={states} {quote(pattern)}"

    def process(self, output: list[str]) -> list[str]:
        return [line.split()[0] for line in output if line.strip()]

    @staticmethod
    def default() -> list[str]:
        return []


@operation()
def end(pattern: str, before: str = "true") -> Generator[StringCommand, None, None]:
    """Stops all units that match `pattern`, which a service that is off has started; `before` is shell that runs first.

    It goes by what runs, and not by what this run has stopped: the run that did may have died after it.
    """
    running = host.get_fact(Running, pattern=pattern)
    if not running:
        host.noop(f"no {pattern} runs")
        return
    # By the pattern, since some may have ended meanwhile, and one that is not there is an error.
    yield Described(f"{before}; systemctl stop {quote(pattern)}", f"stop {', '.join(running)}")


@operation()
def reread(units: Sequence[str]) -> Generator[StringCommand, None, None]:
    """Has systemd read its files again where those of `units` changed."""
    if any(host.get_fact(Unit, unit=unit, paths=unit_paths(unit, [])).stale for unit in units):
        yield StringCommand("systemctl daemon-reload")
    else:
        host.noop("systemd knows the files as they are")


def _service(
    unit: str, paths: Sequence[str], state: UnitState, reload: bool
) -> Generator[StringCommand, None, None]:
    content = Content(drop_in_text(unit, paths, reload).encode())
    new_drop_in = state.drop_in != content.sha256
    if new_drop_in:
        yield replacing(content, drop_in(unit))
    # Unit files of others among what it reads, such as those of instances that it starts: systemd reads all at once.
    others = any(path.startswith(UNITS) and PurePosixPath(path).name != unit for path in paths)
    if new_drop_in or state.stale or not state.loaded or (others and state.now != state.recorded):
        yield StringCommand("systemctl daemon-reload")
    if not state.enabled:
        yield StringCommand(f"systemctl enable {quote(unit)}")
    if not state.active:
        if not state.down and state.now != state.recorded:
            # It is being started with what there was before: a start would only wait for that one.
            yield StringCommand(f"systemctl stop {quote(unit)}")
        if not state.unwanted or state.stale:
            yield _started("start", unit)
    elif state.now != state.recorded:
        yield _started("reload" if reload else "restart", unit)


def _started(verb: str, unit: str) -> StringCommand:
    """`systemctl start` and the like; where it fails, with the last that the unit said."""
    at = quote(unit)
    return Described(
        f"systemctl {verb} {at} || {{ systemctl --no-pager --full -n 20 status {at} >&2; exit 1; }}",
        f"{verb} {unit}",
    )
