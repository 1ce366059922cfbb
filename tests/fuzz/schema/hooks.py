"""What the schema fuzzer leaves alone, and the names of things that are there.

The token that it speaks with and the longest waits are spared; half of all generated names become those of the plan,
the node and the spare token that the test has made.
"""

import re
import zlib

import schemathesis

KNOWN = {"id": "p-1", "node": "node-1", "token": "spare"}
SPEAKS_WITH = "admin-1"
WAITS = re.compile(r"(true|[0-9]+(ms|s|m|min|h|d))?")


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    for name, value in (path_parameters or {}).items():
        if name in KNOWN and zlib.crc32(repr(value).encode()) % 2:
            path_parameters[name] = KNOWN[name]
    return path_parameters


@schemathesis.hook
def before_call(context, case, **kwargs):
    path = case.path_parameters or {}
    if path.get("token") == SPEAKS_WITH:
        path["token"] = KNOWN["token"]
    query = case.query if isinstance(case.query, dict) else {}
    wait = query.get("wait")
    if isinstance(wait, str) and WAITS.fullmatch(wait):
        query["wait"] = "10ms"
