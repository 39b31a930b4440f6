"""What the SDK talks to while the program runs: its own MockMonitor, made to do real work."""

from typing import Any

import grpc
import pulumi
from google.protobuf import empty_pb2
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.proto import engine_pb2, provider_pb2, resource_pb2

from lab.engine import values
from lab.engine.answers import from_struct, to_struct
from lab.engine.deployment import Deployment
from lab.engine.goal import Goal, goal_of, urn_of
from lab.engine.state import Resource
from workbench.errors import WorkbenchError


class _NoMocks(Mocks):
    """MockMonitor wants them; everything that would ask them is overridden."""

    def call(self, args: MockCallArgs) -> Any:
        raise NotImplementedError(args.token)

    def new_resource(self, args: MockResourceArgs) -> Any:
        raise NotImplementedError(args.name)


class InvokeError(grpc.RpcError):  # type: ignore[misc]  # grpc comes without types
    """A failed function call in the shape in which the SDK hands it to the program, which may catch it."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


class Monitor(MockMonitor):
    """Turns the SDK's requests into a deployment's work. `urn_prefix` is `urn:pulumi:STACK::PROJECT::`."""

    def __init__(self, deployment: Deployment, urn_prefix: str) -> None:
        super().__init__(_NoMocks())
        self._deployment = deployment
        self._urn_prefix = urn_prefix
        self._goals: dict[str, Goal] = {}

    def RegisterResource(self, request: Any) -> Any:
        try:
            goal = goal_of(request, self._urn_prefix, self._goals.get(request.parent))
        except WorkbenchError as error:
            raise pulumi.RunError(str(error)) from error
        self._goals[goal.urn] = goal
        resource = self._deployment.register(goal)
        return resource_pb2.RegisterResourceResponse(
            urn=resource.urn,
            # An id that is not known yet is an empty one.
            id="" if values.is_unknown(resource.id) else resource.id,
            object=to_struct(resource.outputs),
        )

    def RegisterResourceOutputs(self, request: Any) -> Any:
        self._deployment.register_outputs(request.urn, from_struct(request.outputs))
        return empty_pb2.Empty()

    def ReadResource(self, request: Any) -> Any:
        new = Resource(
            urn=urn_of(self._urn_prefix, request.parent, request.type, request.name),
            type=request.type,
            custom=True,
            external=True,
            id=request.id,
            parent=request.parent,
            provider=request.provider,
            inputs=from_struct(request.properties),
            dependencies=sorted(request.dependencies),
            additional_secret_outputs=list(request.additionalSecretOutputs),
        )
        found = self._deployment.read(new, request.version)
        return resource_pb2.ReadResourceResponse(
            urn=found.urn, id=found.id, properties=to_struct(found.outputs)
        )

    def Invoke(self, request: Any) -> Any:
        if request.tok.startswith("pulumi:"):
            raise pulumi.RunError(f"the lab's stand-in does not know {request.tok}: use the Pulumi CLI")
        try:
            result, failures = self._deployment.invoke(
                request.tok, from_struct(request.args), request.provider, request.version
            )
        except WorkbenchError as error:
            raise InvokeError(f"invocation of {request.tok} returned an error: {error}") from error
        failed = [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in failures]
        answer: dict[str, Any] = {"return": to_struct(result), "failures": failed}
        return resource_pb2.ResourceInvokeResponse(**answer)

    def ExistsResource(self, request: Any) -> Any:
        raise pulumi.RunError(
            "the lab's stand-in does not know resource existence checks: use the Pulumi CLI"
        )

    def GetDeploymentInfo(self, request: Any) -> Any:
        # What is not named here the SDK does without, or says that the CLI is too old for.
        return resource_pb2.DeploymentInfo(supportedFeatures=[resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS])


class EngineLog:
    """The engine's log, as the SDK sees it (`pulumi.log`, warnings of its own)."""

    def __init__(self, deployment: Deployment) -> None:
        self._report = deployment.report

    def Log(self, request: Any) -> Any:
        if request.severity != engine_pb2.DEBUG and not request.ephemeral:
            self._report.diagnose(request.severity, request.urn, request.message)
        return empty_pb2.Empty()
