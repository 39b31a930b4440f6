"""The least that an engine does: one provider, one stub, dicts in and out."""

import secrets
from dataclasses import dataclass, field
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.rpc import UNKNOWN  # noqa: F401

from lab.provider.values import decode, encode

NONE, SOME = provider_pb2.DiffResponse.DIFF_NONE, provider_pb2.DiffResponse.DIFF_SOME

TOKENS = {
    name.partition("/")[2].partition(":")[2]: f"aws:{name}"
    for name in (
        "ec2/vpc:Vpc ec2/subnet:Subnet ec2/internetGateway:InternetGateway ec2/routeTable:RouteTable ec2/route:Route "
        "ec2/routeTableAssociation:RouteTableAssociation ec2/securityGroup:SecurityGroup ec2/keyPair:KeyPair "
        "vpc/securityGroupIngressRule:SecurityGroupIngressRule vpc/securityGroupEgressRule:SecurityGroupEgressRule "
        "ec2/instance:Instance ec2/eip:Eip ec2/eipAssociation:EipAssociation ebs/volume:Volume ebs/snapshot:Snapshot "
        "ec2/volumeAttachment:VolumeAttachment iam/role:Role iam/instanceProfile:InstanceProfile route53/zone:Zone "
        "route53/record:Record iam/rolePolicy:RolePolicy iam/rolePolicyAttachment:RolePolicyAttachment "
        "scheduler/scheduleGroup:ScheduleGroup scheduler/schedule:Schedule dlm/lifecyclePolicy:LifecyclePolicy "
        "budgets/budget:Budget"
    ).split()
}


class Failed(Exception):
    """Check refused the inputs; `reasons` maps properties to what was said."""

    def __init__(self, failures: Any) -> None:
        self.reasons = {failure.property: failure.reason for failure in failures}
        super().__init__(str(self.reasons))


@dataclass
class Made:
    """A resource as the engine's state holds it."""

    kind: str
    name: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]


@dataclass
class Verdict:
    """A Diff's answer."""

    some: bool
    diffs: list[str]
    replaces: list[str]
    detailed: dict[str, str] = field(default_factory=dict)


class Client:
    """Talks to a provider as the engine does."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)

    def configure(self, region: str = "eu-west-1") -> Any:
        return self.stub.Configure(provider_pb2.ConfigureRequest(args=encode({"region": region})))

    @staticmethod
    def who(kind: str, name: str) -> dict[str, str]:
        token = TOKENS[kind]
        parents = "workbench:index:Network$"
        return {"urn": f"urn:pulumi:dev::probe::{parents}{token}::{name}", "name": name, "type": token}

    def check(
        self, kind: str, name: str, news: dict[str, Any], olds: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The checked inputs; raises Failed when any is refused."""
        answer = self.stub.Check(
            provider_pb2.CheckRequest(
                **self.who(kind, name),
                olds=encode(olds or {}),
                news=encode(news),
                randomSeed=secrets.token_bytes(32),
            )
        )
        if answer.failures:
            raise Failed(answer.failures)
        return decode(answer.inputs)

    def preview(self, kind: str, name: str, news: dict[str, Any]) -> dict[str, Any]:
        """The outputs that a preview of making it gives."""
        inputs = self.check(kind, name, news)
        request = provider_pb2.CreateRequest(**self.who(kind, name), properties=encode(inputs), preview=True)
        return decode(self.stub.Create(request).properties)

    def create(self, kind: str, name: str, /, timeout: float = 0, **news: Any) -> Made:
        inputs = self.check(kind, name, news)
        request = provider_pb2.CreateRequest(
            **self.who(kind, name), properties=encode(inputs), timeout=timeout
        )
        answer = self.stub.Create(request)
        return Made(kind, name, answer.id, inputs, decode(answer.properties))

    def diff(self, made: Made, news: dict[str, Any], ignore: tuple[str, ...] = ()) -> Verdict:
        """What changing to the inputs `news` means; they are checked first."""
        return self.diff_checked(made, self.check(made.kind, made.name, news, made.inputs), ignore)

    def diff_checked(self, made: Made, news: dict[str, Any], ignore: tuple[str, ...] = ()) -> Verdict:
        answer = self.stub.Diff(
            provider_pb2.DiffRequest(
                **self.who(made.kind, made.name),
                id=made.id,
                olds=encode(made.outputs),
                news=encode(news),
                old_inputs=encode(made.inputs),
                ignoreChanges=ignore,
            )
        )
        kinds = {path: provider_pb2.PropertyDiff.Kind.Name(d.kind) for path, d in answer.detailedDiff.items()}
        return Verdict(answer.changes == SOME, list(answer.diffs), list(answer.replaces), kinds)

    def update(
        self, made: Made, news: dict[str, Any], preview: bool = False, ignore: tuple[str, ...] = ()
    ) -> Made:
        inputs = self.check(made.kind, made.name, news, made.inputs)
        answer = self.stub.Update(
            provider_pb2.UpdateRequest(
                **self.who(made.kind, made.name),
                id=made.id,
                olds=encode(made.outputs),
                news=encode(inputs),
                old_inputs=encode(made.inputs),
                preview=preview,
                ignoreChanges=ignore,
            )
        )
        return Made(made.kind, made.name, made.id, inputs, decode(answer.properties))

    def read(self, made: Made) -> Made | None:
        """Refresh: as it is now, or None when it is gone."""
        return self._read(made.kind, made.name, made.id, made.outputs, made.inputs)

    def import_(self, kind: str, name: str, id_: str) -> Made | None:
        """Read by nothing but an id."""
        return self._read(kind, name, id_, {}, {})

    def _read(
        self, kind: str, name: str, id_: str, outputs: dict[str, Any], inputs: dict[str, Any]
    ) -> Made | None:
        answer = self.stub.Read(
            provider_pb2.ReadRequest(
                **self.who(kind, name), id=id_, properties=encode(outputs), inputs=encode(inputs)
            )
        )
        return (
            Made(kind, name, answer.id, decode(answer.inputs), decode(answer.properties))
            if answer.id
            else None
        )

    def delete(self, made: Made) -> None:
        self.stub.Delete(
            provider_pb2.DeleteRequest(
                **self.who(made.kind, made.name),
                id=made.id,
                properties=encode(made.outputs),
                old_inputs=encode(made.inputs),
            )
        )

    def invoke(self, token: str, /, **args: Any) -> dict[str, Any]:
        """A function's answer; raises Failed when there is none."""
        answer = self.stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=encode(args)))
        if answer.failures:
            raise Failed(answer.failures)
        return decode(getattr(answer, "return"))


def half_made(error: grpc.RpcError) -> provider_pb2.ErrorResourceInitFailed:
    """The resource that an error carries, read as the engine reads it."""
    trailing = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail
