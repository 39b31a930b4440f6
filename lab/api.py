"""The AWS look-alike: refuses what AWS refuses, lets moto do the rest, acts on it, and keeps what moto knows."""

import base64
import logging
import platform
import re
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Response

from lab import attachments, calls, images, own, rules, sessions, snapshots
from lab.amendments import AMENDMENTS, complete, date_modification, forget_deleted_records
from lab.calls import Call
from lab.errors import error, expired
from lab.faults import Faults
from lab.memory import REGION, Memory
from lab.records import Plan
from lab.rules import Facts, Refusal
from lab.shell import CommandFailed
from lab.upkeep import Upkeep
from lab.world import World
from workbench.errors import WorkbenchError

SERVICES = frozenset({"budgets", "dlm", "ec2", "iam", "route53", "s3", "scheduler", "ssm", "sts"})
REGIONAL = frozenset({"dlm", "ec2", "scheduler", "ssm"})
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
BOOTS = frozenset({"RunInstances", "StartInstances", "RebootInstances"})
# What the kernel answers a container's first process with: reboot(2)'s signals inside a process namespace.
_SIGNED = f"Credential=service/19700101/{REGION}/ec2/aws4_request"  # by whom is not looked at
REBOOTED, POWERED_OFF = 128 + 1, (0, 128 + 2)
CRASHES_ALLOWED, CRASH_SECONDS = 3, 60

log = logging.getLogger(__name__)


class Api:
    """A WSGI application in front of moto's; one call at a time, so that each sees and leaves a whole world."""

    def __init__(self, moto: Any, memory: Memory, world: World, faults: Faults) -> None:
        self._moto = own.Own(moto, lambda: memory.own)
        self._memory = memory
        self._world = world
        self._faults = faults
        self._lock = threading.RLock()
        self._crashes: dict[str, list[float]] = {}
        machine = ARCHITECTURES.get(platform.machine(), platform.machine())
        self._architectures = frozenset({machine})
        self.upkeep = Upkeep(memory, self._ask, self._lock)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = calls.read(environ)
        self._faults.hold(call.action, "before")
        with self._lock:
            try:
                if self._faults.expired():
                    raise expired(call)
                response = self._answer(call, environ)
            except Refusal as refusal:
                log.info("%s %s: %s", call.service, call.action, refusal)
                response = error(call, refusal)
        self._faults.hold(call.action, "after")
        return response(environ, start_response)

    def _answer(self, call: Call, environ: dict[str, Any]) -> Response:
        self._belongs_here(call)
        now = self._memory.clock.without_zone()
        if snapshots.settle(self._memory.ec2, now) | images.settle(self._memory.ec2):
            self._memory.save()
        self._memory.publish(self._faults.debian)
        self._settle_attachments()
        facts = Facts(
            call,
            self._memory.ec2,
            self._world.mounted,
            self._architectures,
            now,
            self._faults.without_capacity,
        )
        rules.check(facts)
        sessions.check(call, self._memory.iam, self._memory.sts)
        if not call.changes:
            response = self._pass_on(environ)
            return self._with_console(call, response) if call.action == "GetConsoleOutput" else response
        if complete(self._memory.ec2, call):
            calls.write(call, environ)
        if begun := attachments.detaching(self._memory.ec2, call, self._faults):
            self._memory.save()
            return begun
        before = self._memory.plan()
        response = self._pass_on(environ)
        if response.status_code >= 400:
            self._memory.forget_change()  # moto can fail half-way through its own work
            return response
        self._keep(call, before)
        self._act(call, before)
        log.info("%s %s: done", call.service, call.action)
        return snapshots.told(call, response)

    def _belongs_here(self, call: Call) -> None:
        if call.service not in SERVICES:
            raise Refusal(
                "UnsupportedOperation",
                f"The lab has {', '.join(sorted(SERVICES))}, and no {call.service or 'unsigned requests'}.",
            )
        if call.service in REGIONAL and call.region != REGION:
            raise Refusal(
                "UnsupportedOperation",
                f"The lab has one region, {REGION}; this call was signed for {call.region}.",
            )

    def _pass_on(self, environ: dict[str, Any]) -> Response:
        try:
            body, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
        except Exception as failure:  # moto's own bug, or something it has not
            log.exception("moto failed")
            self._memory.forget_change()
            raise Refusal("InternalError", f"The lab's moto failed at this call: {failure!r}") from None
        length = headers.get("Content-Length")
        response = Response(b"".join(body), status=status, headers=headers)
        if environ["REQUEST_METHOD"] == "HEAD" and length:
            response.headers["Content-Length"] = length  # of what a GET would answer
        return response

    def _keep(self, call: Call, before: Plan) -> None:
        """Finish moto's part and write it down, before anything is done about it."""
        if call.service == "ec2" and call.action in AMENDMENTS:
            AMENDMENTS[call.action](self._memory.ec2, call)
        if call.action in snapshots.MAKES:
            snapshots.begin(self._memory.ec2, self._faults, self._memory.clock.without_zone())
        if call.action in attachments.SHOWS:
            attachments.begin(self._memory.ec2, call, self._faults)
        if call.action == "CreateImage":
            images.begin(self._memory.ec2, call, self._faults, self._memory.clock.without_zone())
        if call.action == "ModifyVolume":
            date_modification(self._memory.ec2, call, self._memory.clock.without_zone())
        if call.service == "route53":
            forget_deleted_records(self._memory.route53)
        self._memory.note_deletions(before)
        self._memory.save()

    def _act(self, call: Call, before: Plan) -> None:
        """Do what was written down. What cannot be done is taken back, and the call fails with the reason."""
        plan = self._memory.plan()
        if plan == before and call.action != "RebootInstances":
            return
        try:
            if call.action == "RebootInstances":
                for instance_id in call.all("InstanceId"):
                    self._world.reboot(instance_id)
            self._world.reconcile(plan)
            self._memory.deletions_done()
        except (CommandFailed, OSError) as failure:
            log.exception("%s failed", call.action)
            self._take_back(call)
            code = "InsufficientInstanceCapacity" if call.action in BOOTS else "InternalError"
            # 400, not 500: what failed here fails again, and SDKs repeat a 500 for minutes.
            raise Refusal(code, f"The lab could not do it: {failure}") from None

    def _take_back(self, call: Call) -> None:
        """Undo in memory, then make the world agree; deletions cannot be undone and stand."""
        if call.action.startswith(("Terminate", "Delete")):
            return
        self._memory.go_back()
        try:
            self._world.reconcile(self._memory.plan())
        except (CommandFailed, OSError):
            log.exception("after taking %s back; the next call tries again", call.action)

    def _with_console(self, call: Call, response: Response) -> Response:
        """moto's answer with the machine's real console in it."""
        if response.status_code == 200:
            text = base64.b64encode(self._world.console(call.get("InstanceId")).encode()).decode()
            sample = re.compile(r"<output>.*?</output>", re.DOTALL)
            response.set_data(sample.sub(f"<output>{text}</output>", response.get_data(as_text=True)))
        return response

    # Outside of calls.

    def _ask(self, action: str, parameters: Mapping[str, str]) -> None:
        """A call of EC2 that another service of AWS makes. Raises Refusal."""
        environ = EnvironBuilder(
            method="POST",
            headers=Headers([("Authorization", f"AWS4-HMAC-SHA256 {_SIGNED}")]),
            data={"Action": action, "Version": "2016-11-15", **parameters},
        ).get_environ()
        response = self._answer(calls.read(environ), environ)
        if response.status_code >= 400:
            told: list[tuple[str, str]] = re.findall(
                r"<(Code|Message)>(.*?)</", response.get_data(as_text=True)
            )
            said = dict(told)
            raise Refusal(said.get("Code", "InternalError"), said.get("Message", response.status))

    def credentials(self, role: str, instance_id: str) -> dict[str, str]:
        """What the metadata service gives an instance for its role."""
        with self._lock:
            return self._memory.credentials(role, instance_id)

    def recover(self) -> None:
        """At a start: make the world what the memory says, whatever happened since."""
        with self._lock:
            self._world.reconcile(self._memory.plan())
            self._memory.deletions_done()

    def look_after(self) -> None:
        """Do what is due; notice machines that ended on their own: rebooted from inside, powered off, or killed."""
        self.upkeep.tick()
        with self._lock:
            self._settle_attachments()
            for instance_id, container in list(self._world.running.items()):
                if container.pid and not _alive(container.pid):
                    self._after_exit(instance_id)

    def _settle_attachments(self) -> None:
        if attachments.settle(self._memory.ec2, self._faults):
            self._memory.save()
            self._world.reconcile(self._memory.plan())

    def cut(self, instance_id: str) -> None:
        """The machine loses its power, as when AWS's own host fails: nothing is shut down or written any more.

        It is booted again, as AWS's automatic recovery does it. Raises WorkbenchError where it does not run.
        """
        with self._lock:
            if instance_id not in self._world.running:
                raise WorkbenchError(f"The instance {instance_id!r} does not run.")
            log.info("%s loses its power", instance_id)
            self._world.cut(instance_id)

    def _after_exit(self, instance_id: str) -> None:
        ended = self._world.exit_of(instance_id)
        if ended.running:
            return
        if ended.exit_code in POWERED_OFF or (
            ended.exit_code != REBOOTED and self._crashes_too_often(instance_id)
        ):
            log.info("%s has powered off (%s)", instance_id, ended.exit_code)
            self._memory.ec2.stop_instances([instance_id])
            self._memory.save()
        else:
            log.info("%s ended with %s: booting it again", instance_id, ended.exit_code)
        self._world.reconcile(self._memory.plan())

    def _crashes_too_often(self, instance_id: str) -> bool:
        now = time.monotonic()
        recent = [when for when in self._crashes.get(instance_id, []) if now - when < CRASH_SECONDS] + [now]
        self._crashes[instance_id] = recent
        return len(recent) > CRASHES_ALLOWED

    def describe(self) -> dict[str, Any]:
        """What runs, for `workbench lab status`."""
        with self._lock:
            plan = self._memory.plan()
            at = {address.machine_id: address.ip for address in plan.addresses}
            users = {volume: machine.id for machine in plan.machines.values() for volume in machine.volumes}
            return {
                "instances": [
                    {"id": m.id, "type": m.type, "state": m.state, "address": at.get(m.id, "")}
                    for m in plan.machines.values()
                ],
                "volumes": [
                    {"id": v.id, "size_gib": v.size_gib, "attached_to": users.get(v.id, "")}
                    for v in plan.volumes.values()
                ],
                "problems": self._world.problems(),
            }

    def stop(self) -> None:
        """Let the call that runs finish, take no more, shut the machines down."""
        self._lock.acquire()
        self._world.stop()


def _alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
