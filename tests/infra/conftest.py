"""Runs the program under the SDK's mocks: what it asks the engine for, without an engine."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, set_all_config
from pulumi.runtime.stack import run_pulumi_func
from pulumi.runtime.sync_await import _sync_await

from workbench import stack
from workbench.errors import WorkbenchError

ZONES = {
    "Z1": {"name": "example.org", "privateZone": False, "tags": {}},
    "Z2": {"name": "other.org", "privateZone": False, "tags": {}},
}


@dataclass
class Cloud(mocks.Mocks):
    """An AWS of plain data: what the data sources answer, and every resource that was asked for."""

    volumes: list[dict[str, Any]] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)  # their types; the ids are i-0, i-1, ...
    root_gib: int = 8
    held_by: str = ""  # the server that the volumes are attached to
    known: set[str] | None = field(
        default_factory=lambda: {"i-0"}
    )  # servers in the stack's state; None: not told
    zones: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(ZONES))
    zones_asked: int = 0
    region: str = "eu-west-1"
    resources: list[mocks.MockResourceArgs] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources.append(args)
        made = {**args.inputs, "arn": f"arn:aws:{args.name}"}
        if args.typ == "aws:ec2/eip:Eip":
            made |= {"publicIp": "198.51.100.7", "allocationId": "eipalloc-1"}
        if args.typ == "aws:route53/zone:Zone":
            made |= {"zoneId": "Znew", "nameServers": ["ns-1.example"]}
        return args.resource_id or f"{args.name}-id", made

    def resource_ids(self, _kind: str, _stack: str) -> frozenset[str]:
        if self.known is None:
            raise WorkbenchError("There is no `pulumi` command on the PATH.")
        return frozenset(self.known)

    def call(self, args: mocks.MockCallArgs) -> Any:
        return {
            "aws:index/getRegion:getRegion": self._region,
            "aws:ebs/getEbsVolumes:getEbsVolumes": self._volumes,
            "aws:ebs/getVolume:getVolume": self._volume,
            "aws:ec2/getInstances:getInstances": self._servers,
            "aws:ec2/getInstance:getInstance": lambda _: {
                "instanceType": self.servers[0],
                "rootBlockDevices": [{"volumeSize": self.root_gib}],
            },
            "aws:ec2/getInstanceType:getInstanceType": self._type,
            "aws:ssm/getParameter:getParameter": lambda args: {
                "value": f"ami-{args['name'].rsplit('/', 1)[1]}"
            },
            "aws:route53/getZones:getZones": lambda _: {"ids": list(self.zones)},
            "aws:route53/getZone:getZone": self._zone,
        }[args.token](args.args)

    def _region(self, _: Any) -> dict[str, Any]:
        return {"region": self.region}

    def _volumes(self, args: Any) -> dict[str, Any]:
        asked = {item["name"]: item["values"] for item in args["filters"]}
        if "volume-id" not in asked:
            assert args["tags"]["Role"] == "data"
            return {"ids": [volume["volumeId"] for volume in self.volumes]}
        held = self.held_by in asked.get("attachment.instance-id", [self.held_by])
        return {"ids": asked["volume-id"] if self.held_by and held else []}

    def _volume(self, args: Any) -> dict[str, Any]:
        (wanted,) = args["filters"][0]["values"]
        return next(volume for volume in self.volumes if volume["volumeId"] == wanted)

    def _servers(self, _: Any) -> dict[str, Any]:
        return {"ids": [f"i-{number}" for number in range(len(self.servers))]}

    def _zone(self, args: Any) -> Any:
        self.zones_asked += 1
        found = [
            {**zone, "zoneId": zone_id}
            for zone_id, zone in self.zones.items()
            if args.get("zoneId") == zone_id
            or (args.get("name"), args.get("privateZone")) == (zone["name"], zone["privateZone"])
        ]
        if len(found) == 1:
            return found[0]
        said = "multiple Route 53 Hosted Zones matched" if found else "no matching Route 53 Hosted Zone found"
        return {}, [("name", said)]

    def _type(self, args: Any) -> Any:
        name = args["instanceType"]
        if name == "t3.gigantic":
            return {}, [("instanceType", f"InvalidInstanceType: the following do not exist: [{name}]")]
        arm = name.split(".")[0].endswith("g")
        small = name.endswith("nano")
        return {
            "defaultVcpus": 2,
            "memorySize": 512 if small else 8192,
            "supportedArchitectures": ["arm64"] if arm else ["x86_64"],
        }

    def of(self, kind: str) -> list[mocks.MockResourceArgs]:
        """The resources of one type, by the last part of its token."""
        return [resource for resource in self.resources if resource.typ.endswith(f":{kind}")]


class Monitor(mocks.MockMonitor):
    """Also notes the requests themselves, where the options are."""

    def RegisterResource(self, request: Any) -> Any:
        self.mocks.requests.append(request)
        return super().RegisterResource(request)


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def declare(
    cloud: Cloud, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Runs the program with `config` and what is given on top; answers the stack's outputs."""
    monkeypatch.setattr(stack, "resource_ids", cloud.resource_ids)

    def run(**changes: Any) -> dict[str, Any]:
        from infra.program import main

        asyncio.set_event_loop(asyncio.new_event_loop())
        mocks.set_mocks(cloud, project="workbench", stack="dev", monitor=Monitor(cloud))
        given = {**config, **{f"workbench:{key}": value for key, value in changes.items()}}
        set_all_config({k: v if isinstance(v, str) else json.dumps(v) for k, v in given.items()})

        async def resolved() -> dict[str, Any]:
            exports = pulumi.runtime.settings.get_root_resource().outputs
            return {key: await pulumi.Output.from_input(value).future() for key, value in exports.items()}

        _sync_await(run_pulumi_func(main))
        return _sync_await(resolved())

    return run
