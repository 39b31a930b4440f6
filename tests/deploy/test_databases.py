"""Databases on a host that runs, by each client and driver.

PostgreSQL is Debian's, on the host itself: a stand-in for RDS.
"""

import shlex
from collections.abc import Iterator

import pytest

from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

PYTHON = "/opt/workbench/python/bin/python"


@pytest.fixture(scope="module")
def database(workbench: Workbench) -> Iterator[None]:
    """PostgreSQL on the host, with a table of grace's; the password is in her ~/.pgpass."""
    script = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get install -qq -y --no-install-recommends postgresql > /dev/null 2>&1
systemctl start postgresql
cd /
for try in $(seq 50); do runuser -u postgres -- psql -qc 'select 1' > /dev/null 2>&1 && break; sleep 0.2; done
runuser -u postgres -- psql -q <<'END'
drop database if exists lab;
drop role if exists lab;
create role lab login password 'pass:word';
create database lab owner lab;
END
su - grace -c 'umask 077; echo "localhost:5432:lab:lab:pass\\\\:word" > ~/.pgpass'
"""
    workbench.ssh(script)
    yield
    workbench.ssh("apt-get purge -qq -y postgresql postgresql-17 > /dev/null 2>&1; rm -f ~grace/.pgpass")


def by_grace(workbench: Workbench, script: str) -> str:
    done = workbench.ssh(f"su - grace -c {shlex.quote(script)} 2>&1", check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


CONNECT = "host=localhost dbname=lab user=lab"


@pytest.mark.long
def test_a_database_is_read_by_each_client_and_driver_without_a_password_in_sight(
    workbench: Workbench, database: None
) -> None:
    table = "drop table if exists t; create table t as select * from (values (20), (22)) as v(b)"
    by_grace(workbench, f"psql -q '{CONNECT}' -c '{table}'")
    assert by_grace(workbench, f"psql -Atq '{CONNECT}' -c 'select sum(b) from t'").strip() == "42"
    python = f"""
import psycopg, pyodbc, pandas, sqlalchemy, pathlib
print(psycopg.connect("{CONNECT}").execute("select sum(b) from t").fetchone()[0])
engine = sqlalchemy.create_engine("postgresql+psycopg://lab@localhost/lab")
print(pandas.read_sql("select * from t", engine).b.sum())
odbc = pyodbc.connect("Driver={{PostgreSQL Unicode}};Server=localhost;Database=lab;UID=lab")
print(odbc.execute("select sum(b) from t").fetchone()[0])
print(sorted(pyodbc.drivers()))
"""
    said = by_grace(workbench, f"{PYTHON} -c {shlex.quote(python)}").splitlines()
    assert said[:3] == ["42", "42", "42"]
    for driver in ("FreeTDS", "MariaDB Unicode", "PostgreSQL Unicode", "SQLite3"):
        assert driver in said[3]
    r = """
suppressMessages({library(DBI); library(RPostgreSQL); library(RODBC)})
one <- dbConnect(PostgreSQL(), host = "localhost", dbname = "lab", user = "lab")
cat(dbGetQuery(one, "select sum(b) as s from t")$s, "")
two <- odbcDriverConnect("Driver={PostgreSQL Unicode};Server=localhost;Database=lab;UID=lab")
cat(sqlQuery(two, "select sum(b) as s from t")$s, "")
invisible(dbDisconnect(one))
odbcClose(two)
"""
    assert by_grace(workbench, f"Rscript -e {shlex.quote(r)}").split() == ["42", "42"]


def test_the_other_drivers_open_what_they_are_for(workbench: Workbench) -> None:
    """SQLite is really opened; SQL Server and MariaDB are not here, and their drivers say just that."""
    code = """
import pyodbc
one = pyodbc.connect("Driver={SQLite3};Database=/tmp/odbc-of-grace.db")
print(one.execute("select 20 + 22").fetchone()[0])
for driver in ("FreeTDS", "MariaDB Unicode"):
    try:
        pyodbc.connect("Driver={%s};Server=127.0.0.1;Port=1;UID=a;PWD=b" % driver, timeout=2)
    except pyodbc.Error as error:
        print(error)
"""
    said = by_grace(workbench, f"{PYTHON} -c {shlex.quote(code)}; rm -f /tmp/odbc-of-grace.db")
    assert said.startswith("42\n")
    assert "FreeTDS" in said
    assert "Can't open lib" not in said
