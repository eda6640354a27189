"""Places where a graph can be, each empty at first: an SQLite file, PostgreSQL, MongoDB, and MongoDB with
attributes in collections of their own.

PostgreSQL is a server of the tests' own, reached through a socket in a temporary folder. MongoDB is the
stand-in of daisy-graphdb's tests, or the server of ``DAISY_TEST_MONGODB_URL``. Both end with this process.
"""

from __future__ import annotations

import functools
import itertools
import os
import pathlib
import pwd
import shutil
import subprocess
from typing import Any

import pytest

import daisy

ROOT = pathlib.Path(__file__).parent.parent.parent

#: Makes a cluster, starts its server, says where it is, and waits for the end of the input.
CLUSTER = """
set -e
cd /
folder=$(mktemp -d "${TMPDIR:-/tmp}/daisy-py-pg-XXXXXX")
trap 'rm -rf "$folder"' EXIT
"$1/initdb" -D "$folder/cluster" -U daisy -A trust -E UTF8 --locale=C >"$folder/log" 2>&1
"$1/postgres" -D "$folder/cluster" -k "$folder" -c listen_addresses= >"$folder/log" 2>&1 </dev/null &
server=$!
tries=0
until "$1/pg_isready" -q -h "$folder"; do
    tries=$((tries + 1))
    kill -0 $server && [ $tries -lt 600 ] || { cat "$folder/log" >&2; kill -INT $server; exit 1; }
    sleep 0.1
done
echo "$folder"
read -r line || true
kill -INT $server
wait $server || true
"""

_SERVERS: list[subprocess.Popen[str]] = []  # their input is open as long as this process lives


#: Some of the attributes of the tests, in collections of their own.
ASIDE = {
    "node_attribute_collections": {"sizes": ["size", "score"], "names": ["name"]},
    "edge_attribute_collections": {"weights": ["weight"]},
}


class Place:
    """Where one graph is."""

    def __init__(self, kind: str, number: int, folder: pathlib.Path) -> None:
        self.kind = kind
        self.folder = folder
        self.name = f"daisy_py_{os.getpid()}_{number}"

    def provider(self, mode: str = "r+", **settings: Any) -> Any:
        """A provider; settings that only some have are left out elsewhere."""
        if self.kind == "sqlite":
            return daisy.SQLiteGraphProvider(self.folder / "graph.db", mode, **settings)
        if self.kind == "postgres":
            return daisy.PostgresGraphProvider(
                "postgres", postgres(), "daisy", graph_name=self.name, mode=mode, **settings
            )
        for name in ("node_attrs", "edge_attrs", "cell_size", "write_size", "dims"):
            settings.pop(name, None)
        if self.kind == "mongodb-aside":
            settings = {**ASIDE, **settings}
        return daisy.MongoDbGraphProvider(self.name, mongodb(), mode, **settings)


@pytest.fixture(params=["sqlite", "postgres", "mongodb", "mongodb-aside"])
def place(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Place:
    """Each of the places."""
    return Place(request.param, next(_NUMBERS), tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def sql_place(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Place:
    """Each of the places with transactions and declared attributes."""
    return Place(request.param, next(_NUMBERS), tmp_path)


@pytest.fixture
def mongo_place(tmp_path: pathlib.Path) -> Place:
    """A MongoDB database."""
    return Place("mongodb", next(_NUMBERS), tmp_path)


_NUMBERS = itertools.count()


def postgres() -> str:
    """The folder of the server's socket; skips the test, saying why, where there can be none."""
    found = _postgres()
    if isinstance(found, Exception):
        pytest.skip(str(found))
    return found


def mongodb() -> str:
    """The address of the server; skips the test, saying why, where there can be none."""
    found = _mongodb()
    if isinstance(found, Exception):
        pytest.skip(str(found))
    return found


@functools.cache
def _postgres() -> Any:
    debian = pathlib.Path("/usr/lib/postgresql").glob("*/bin")
    folders = sorted(debian, key=lambda path: float(path.parent.name), reverse=True)
    folders += [pathlib.Path(folder) for folder in os.get_exec_path()]
    needed = ("initdb", "postgres", "pg_isready")
    programs = [folder for folder in folders if all((folder / name).exists() for name in needed)]
    if not programs:
        return RuntimeError("PostgreSQL is not installed, so nothing about it is tested: install postgresql")
    unprivileged = []
    if os.getuid() == 0:  # PostgreSQL refuses to be run by root
        users = {entry.pw_name for entry in pwd.getpwall()}
        unprivileged = ["runuser", "-u", "postgres" if "postgres" in users else "nobody", "--"]
    return _started([*unprivileged, "sh", "-c", CLUSTER, "cluster", str(programs[0])])


@functools.cache
def _mongodb() -> Any:
    url = os.environ.get("DAISY_TEST_MONGODB_URL")
    if url is not None:
        return url
    built = os.environ.get("DAISY_MONGO_STAND_IN")
    if built is not None:
        return _started([built])
    if shutil.which("cargo") is None:
        return RuntimeError("there is no cargo to build the stand-in for MongoDB: set DAISY_TEST_MONGODB_URL")
    example = ["cargo", "run", "--quiet", "-p", "daisy-graphdb", "--features", "mongodb"]
    return _started([*example, "--example", "mongo_stand_in"])


def _started(command: list[str]) -> Any:
    """What a server says in its first line."""
    pipe = subprocess.PIPE
    server = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    _SERVERS.append(server)
    assert server.stdout is not None
    line = server.stdout.readline().strip()
    return line or RuntimeError(f"the server did not start: {' '.join(command[:4])}; its errors are above")
