"""An AWS to test the provider on: moto's, with the lab's own services before it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.ssm.models import ssm_backends

from lab import daemon, seed
from lab.budgets import Budgets
from lab.lifecycle import Lifecycle
from lab.own import Own


@contextmanager
def serving() -> Iterator[str]:
    """Its URL."""
    seed.images(ec2_backends[seed.ACCOUNT][seed.REGION])
    seed.parameters(ssm_backends[seed.ACCOUNT][seed.REGION])
    seed.policies(iam_backends[seed.ACCOUNT]["aws"])
    services = {"dlm": Lifecycle(), "budgets": Budgets()}
    sock = daemon.listen(0, "a test")
    sock.listen(64)
    server = daemon.make_http_server(
        Own(DomainDispatcherApplication(create_backend_app), lambda: services), sock
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()
    sock.close()
    thread.join()
