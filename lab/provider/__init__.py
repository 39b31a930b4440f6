"""The lab's Pulumi provider for `aws`: the types that our program uses, done against the lab's AWS look-alike.

Pulumi's engine uses it with PULUMI_DEBUG_PROVIDERS=aws:PORT. The types are rows of tables (schema.py says what the
columns mean), and so are the functions (asking.py).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from lab.provider.servicer import Provider
from workbench.errors import WorkbenchError

# Every resource that an engine waits for holds a thread.
_THREADS = 32
_UNLIMITED = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
]


def serve(port: int = 0, endpoint: str | None = None) -> tuple[grpc.Server, int]:
    """Serve on 127.0.0.1 and return the started server and its port (0: any free one).

    endpoint: the URL of the lab's AWS; without it AWS_ENDPOINT_URL when an engine connects.
    Raises WorkbenchError when the port is taken.
    """
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=_UNLIMITED)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(endpoint), server)
    try:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError as error:
        raise WorkbenchError(
            f"port {port} of 127.0.0.1 is taken: the provider cannot listen there"
        ) from error
    server.start()
    return server, bound
