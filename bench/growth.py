"""How a deploy that changes nothing grows with users and with hosts.

Users are real accounts. The hosts are a stand-in: so many connections to the one host, each with a lock of its own. As
many hosts on this machine would share its cores in the same way.
"""

from bench.results import keep, median, rounded, show
from bench.workbench import Measured
from cli.local import hash_of
from tests.workbench_in_lab import PASSWORDS
from workbench import stackfile

USERS = (1, 10, 50, 200)
HOSTS = (1, 4, 10)


def measure(bench: Measured) -> None:
    """The declared users, and the number of connections, from few to many."""
    path = stackfile.path_of(bench.stack)
    before = path.read_text()
    secret = hash_of(PASSWORDS["ada"])
    users = {}
    try:
        for count in USERS:
            declared = [{"name": f"user{number}", "passwordHash": secret} for number in range(count)]
            stackfile.set_value(path, "users", declared)
            bench.deploy()
            bench.deploy()  # so that it is remembered what a run without a change asks
            users[str(count)] = median(bench.idle_deploy)
    finally:
        path.write_text(before)
        bench.deploy()
    show("Users", users, users["1"], "1 user")
    keep("growth", {"users": rounded(users)})
    hosts = {}
    for count in HOSTS:
        bench.idle_deploy(WORKBENCH_BENCH_HOSTS=str(count))
        hosts[str(count)] = median(lambda: bench.idle_deploy(WORKBENCH_BENCH_HOSTS=str(count)))  # noqa: B023
    show("Hosts", hosts, hosts["1"], "1 host")
    keep("growth", {"users": rounded(users), "hosts": rounded(hosts)})
