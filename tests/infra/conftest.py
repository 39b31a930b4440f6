"""Runs the program under the SDK's mocks: what it asks the engine for, without an engine."""

import asyncio
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, set_all_config
from pulumi.runtime.stack import run_pulumi_func
from pulumi.runtime.sync_await import _sync_await

ID = "0123456789ab"
ADDRESS = "198.51.100.7"
SNAPSHOT = "aws:ebs/snapshot:Snapshot"
IMAGE = "aws:ec2/ami:Ami"
VOLUME, SERVER, EIP = "aws:ebs/volume:Volume", "aws:ec2/instance:Instance", "aws:ec2/eip:Eip"
ROLE, PROFILE = "aws:iam/role:Role", "aws:iam/instanceProfile:InstanceProfile"
RECORD = "aws:route53/record:Record"
WITHIN = {"vpc-id": "vpcId", "group-id": "securityGroupId", "volume-id": "id"}
ZONES = {
    "Z1": {"name": "example.org", "privateZone": False, "tags": {}, "comment": ""},
    "Z2": {"name": "other.org", "privateZone": False, "tags": {}, "comment": ""},
}


def tags(role: str, stack_id: str = ID, stack: str = "dev") -> dict[str, str]:
    """Those of a resource of a stack."""
    return {"Project": "workbench", "Stack": stack, "StackId": stack_id, "Role": role}


@dataclass
class Cloud(mocks.Mocks):
    """An AWS of plain data: what is there, what the state knows of it, and every resource that was asked for."""

    things: list[dict[str, Any]] = field(default_factory=list)  # inputs and outputs, with `kind` and `id`
    state: dict[str, Any] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)  # snapshots that are gone
    held_by: str = ""  # the server that the volumes are attached to
    zones: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(ZONES))
    records: list[dict[str, Any]] = field(default_factory=list)
    offered: tuple[str, ...] = ("eu-west-1a", "eu-west-1b")
    region: str = "eu-west-1"
    resources: list[mocks.MockResourceArgs] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # the functions, by their last part
    unlisted: list[str] = field(default_factory=list)  # what was asked beside the provider, by its kind

    # ---- what a test prepares

    def add(self, kind: str, thing_id: str, role: str, **values: Any) -> None:
        """Something of this stack is in AWS."""
        self.things.append({"kind": kind, "id": thing_id, "tags": tags(role), **values})

    def begun(self, stack_id: str = ID) -> None:
        """The state has the stack's id, and nothing else."""
        self.state["urn:pulumi:dev::workbench::workbench:infra:Workbench::workbench"] = {
            "type": "workbench:infra:Workbench",
            "outputs": {"stackId": stack_id},
        }

    def killed(self, unknown: Iterable[str]) -> None:
        """All that was asked for is in AWS; the state knows it, save the resources that have these names.

        Forgets what was asked for.
        """
        made = [resource for resource in self.resources if resource.typ.startswith("aws:")]
        for resource in made:
            self.things.append({**self.made(resource), "kind": resource.typ, "id": f"{resource.name}-id"})
            if resource.typ == RECORD:
                values = [{"value": value} for value in resource.inputs["records"]]
                self.records.append({**resource.inputs, "resourceRecords": values})
        for resource in self.resources:
            if resource.name not in unknown:
                urn = f"urn:pulumi:dev::workbench::parent${resource.typ}::{resource.name}"
                self.state[urn] = {"type": resource.typ, "outputs": self.made(resource)}
        (given,) = {thing["tags"]["StackId"] for thing in self.things if "tags" in thing}
        self.begun(given)
        for mine in (self.resources, self.requests, self.asked):
            mine.clear()

    def lost(self) -> str:
        """All that was asked for is in AWS, and the state is empty; gives back the id of the stack."""
        self.killed(())
        self.state.clear()
        return str(self.of_kind(VOLUME)[0]["tags"]["StackId"])

    # ---- what a test looks at

    def of(self, kind: str) -> list[mocks.MockResourceArgs]:
        """The resources of one type, by the last part of its token."""
        return [resource for resource in self.resources if resource.typ.endswith(f":{kind}")]

    def imported(self) -> dict[str, str]:
        """What was taken back, by the last part of its type and its name."""
        return {
            f"{request.type.rpartition(':')[2]} {request.name}": request.importId
            for request in self.requests
            if request.importId
        }

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [thing for thing in self.things if thing["kind"] == kind]

    # ---- what the program asks beside the provider (infra/unlisted.py)

    def group(self, name: str) -> list[str]:
        return self._named("aws:scheduler/scheduleGroup:ScheduleGroup", name, name)

    def schedule(self, group_name: str, name: str) -> list[str]:
        return self._named("aws:scheduler/schedule:Schedule", name, f"{group_name}/{name}")

    def budget(self, name: str) -> list[str]:
        return self._named("aws:budgets/budget:Budget", name, f"123456789012:{name}")

    def lifecycle_policies(self, tags: dict[str, str]) -> list[str]:
        self.unlisted.append("policies")
        return self._ids("aws:dlm/lifecyclePolicy:LifecyclePolicy", {"tags": tags})

    def _named(self, kind: str, name: str, import_id: str) -> list[str]:
        self.unlisted.append(kind.rpartition(":")[2])
        return [import_id] if name in [thing["name"] for thing in self.of_kind(kind)] else []

    # ---- what the program asks

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources.append(args)
        return args.resource_id or f"{args.name}-id", self.made(args)

    def made(self, args: mocks.MockResourceArgs) -> dict[str, Any]:
        made = {**args.inputs, "arn": f"arn:aws:ec2:eu-west-1:1:thing/{args.name}-id"}
        if args.typ == EIP:
            made |= {"publicIp": ADDRESS, "allocationId": "eipalloc-1"}
        if args.typ == "aws:route53/zone:Zone":
            made |= {"zoneId": "Znew", "nameServers": ["ns-1.example"]}
        return made

    def call(self, args: mocks.MockCallArgs) -> Any:
        self.asked.append(args.token.rpartition(":")[2])
        ids: dict[str, str] = {
            "aws:ec2/getVpcs:getVpcs": "aws:ec2/vpc:Vpc",
            "aws:ec2/getSubnets:getSubnets": "aws:ec2/subnet:Subnet",
            "aws:ec2/getRouteTables:getRouteTables": "aws:ec2/routeTable:RouteTable",
            "aws:ec2/getSecurityGroups:getSecurityGroups": "aws:ec2/securityGroup:SecurityGroup",
            "aws:ec2/getInstances:getInstances": SERVER,
        }
        if args.token in ids:
            return {"ids": self._ids(ids[args.token], args.args)}
        return {
            "pulumi:pulumi:readStackResourceOutputs": lambda _: {"outputs": self.state},
            "aws:index/getRegion:getRegion": lambda _: {"region": self.region},
            "aws:index/getCallerIdentity:getCallerIdentity": lambda _: {
                "accountId": "1",
                "arn": "arn:aws:iam::1:user/ada",
            },
            "aws:ebs/getEbsVolumes:getEbsVolumes": self._volumes,
            "aws:ebs/getVolume:getVolume": self._volume,
            "aws:ebs/getSnapshotIds:getSnapshotIds": self._snapshots,
            "aws:ebs/getSnapshot:getSnapshot": lambda args: self._one(SNAPSHOT, args["snapshotIds"][0]),
            "aws:ec2/getAmiIds:getAmiIds": self._images,
            "aws:ec2/getAmi:getAmi": lambda args: self._one(IMAGE, args["filters"][0]["values"][0]),
            "aws:ec2/getInstance:getInstance": self._server,
            "aws:ec2/getInstanceType:getInstanceType": self._type,
            "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": lambda _: {
                "locations": list(self.offered)
            },
            "aws:ec2/getEips:getEips": self._addresses,
            "aws:ec2/getElasticIp:getElasticIp": lambda args: self._one(EIP, args["id"]),
            "aws:ec2/getVpc:getVpc": lambda args: self._one("aws:ec2/vpc:Vpc", args["id"]),
            "aws:ec2/getInternetGateway:getInternetGateway": self._gateway,
            "aws:ec2/getRouteTable:getRouteTable": self._table,
            "aws:vpc/getSecurityGroupRules:getSecurityGroupRules": lambda args: {
                "ids": [
                    rule
                    for way in ("Ingress", "Egress")
                    for rule in self._ids(f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule", args)
                ]
            },
            "aws:iam/getRoles:getRoles": self._roles,
            "aws:iam/getInstanceProfile:getInstanceProfile": self._profile,
            "aws:ssm/getParameter:getParameter": lambda args: {
                "value": f"ami-{args['name'].rsplit('/', 1)[1]}"
            },
            "aws:route53/getZones:getZones": lambda _: {"ids": list(self.zones)},
            "aws:route53/getZone:getZone": self._zone,
            "aws:route53/getRecords:getRecords": self._records,
        }[args.token](args.args)

    def _ids(self, kind: str, args: Any) -> list[str]:
        wanted = args.get("tags") or args.get("instanceTags") or {}
        inside = {WITHIN[f["name"]]: f["values"] for f in args.get("filters") or () if f["name"] in WITHIN}
        return [
            thing["id"]
            for thing in self.of_kind(kind)
            if wanted.items() <= thing["tags"].items()
            and all(thing[key] in values for key, values in inside.items())
        ]

    def _one(self, kind: str, thing_id: str) -> dict[str, Any]:
        return next(thing for thing in self.of_kind(kind) if thing["id"] == thing_id)

    def _volumes(self, args: Any) -> dict[str, Any]:
        asked = {item["name"]: item["values"] for item in args["filters"]}
        if "volume-id" not in asked:
            return {"ids": self._ids(VOLUME, args)}
        held = self.held_by in asked.get("attachment.instance-id", [self.held_by])
        return {"ids": asked["volume-id"] if self.held_by and held else []}

    def _images(self, args: Any) -> dict[str, Any]:
        """The newest first."""
        assert args["owners"] == ["self"]
        wanted = {item["name"]: item["values"][0] for item in args["filters"]}
        only = wanted.pop("image-id", None)
        asked = {key.removeprefix("tag:"): value for key, value in wanted.items()}
        found = [image for image in self.of_kind(IMAGE) if asked.items() <= image["tags"].items()]
        found.sort(key=lambda image: image["creationDate"], reverse=True)
        return {"ids": [image["id"] for image in found if only in (None, image["id"])]}

    def _snapshots(self, args: Any) -> dict[str, Any]:
        wanted = {item["name"].removeprefix("tag:"): item["values"] for item in args["filters"]}
        assert wanted.pop("status") == ["completed"]
        if "snapshot-id" in wanted:
            return {"ids": [id_ for id_ in wanted["snapshot-id"] if id_ not in self.broken]}
        assert wanted.pop("Role") == ["snapshot", "data"]
        wanted = {key: values[0] for key, values in wanted.items()}
        return {"ids": self._ids(SNAPSHOT, {"tags": wanted})}

    def _volume(self, args: Any) -> dict[str, Any]:
        (wanted,) = args["filters"][0]["values"]
        return {"volumeId": wanted, **self._one(VOLUME, wanted)}

    def _server(self, args: Any) -> dict[str, Any]:
        server = self._one(SERVER, args["instanceId"])
        disk = {"volumeSize": server["rootBlockDevice"]["volumeSize"]}
        told = {key: server[key] for key in ("instanceType", "tags")}
        return {**told, "instanceState": "running", "rootBlockDevices": [disk]}

    def _addresses(self, args: Any) -> dict[str, Any]:
        ids = self._ids(EIP, args)
        return {"allocationIds": ids, "publicIps": [ADDRESS for _ in ids]}

    def _gateway(self, args: Any) -> Any:
        found = self._ids("aws:ec2/internetGateway:InternetGateway", args)
        if not found:
            return {}, [("tags", "no matching EC2 Internet Gateway found")]
        return {"internetGatewayId": found[0]}

    def _table(self, args: Any) -> dict[str, Any]:
        def mine(kind: str) -> list[dict[str, Any]]:
            return [thing for thing in self.of_kind(kind) if thing["routeTableId"] == args["routeTableId"]]

        routes = [{"cidrBlock": route["destinationCidrBlock"]} for route in mine("aws:ec2/route:Route")]
        linked = mine("aws:ec2/routeTableAssociation:RouteTableAssociation")
        return {"routes": routes, "associations": [{"subnetId": item["subnetId"]} for item in linked]}

    def _roles(self, args: Any) -> dict[str, Any]:
        names = [role["name"] for role in self.of_kind(ROLE)]
        return {"names": [name for name in names if re.search(args["nameRegex"], name)]}

    def _profile(self, args: Any) -> Any:
        if args["name"] not in [profile["name"] for profile in self.of_kind(PROFILE)]:
            return {}, [("name", f"NoSuchEntity: Instance Profile {args['name']} cannot be found.")]
        return {"name": args["name"]}

    def _zone(self, args: Any) -> Any:
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

    def _records(self, args: Any) -> dict[str, Any]:
        return {
            "resourceRecordSets": [
                record for record in self.records if record.get("zoneId", "Z1") == args["zoneId"]
            ]
        }

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
    monkeypatch.delenv("WORKBENCH_ADOPT", raising=False)
    from infra import unlisted

    for name in ("group", "schedule", "budget", "lifecycle_policies"):
        monkeypatch.setattr(unlisted, name, getattr(cloud, name))

    def run(stack: str = "dev", **changes: Any) -> dict[str, Any]:
        from infra import identity
        from infra.program import main

        identity._drawn.cache_clear()  # each run is one of a process of its own
        asyncio.set_event_loop(asyncio.new_event_loop())
        mocks.set_mocks(cloud, project="workbench", stack=stack, monitor=Monitor(cloud))
        given = {**config, **{f"workbench:{key}": value for key, value in changes.items()}}
        set_all_config({k: v if isinstance(v, str) else json.dumps(v) for k, v in given.items()})

        async def resolved() -> dict[str, Any]:
            exports = pulumi.runtime.settings.get_root_resource().outputs
            return {key: await pulumi.Output.from_input(value).future() for key, value in exports.items()}

        _sync_await(run_pulumi_func(main))
        return _sync_await(resolved())

    return run
