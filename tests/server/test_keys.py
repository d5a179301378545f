#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""API keys, what each may do, how often, and who may ask where there are none."""
import hashlib
import os
import pathlib
import signal
import tempfile

from harness import Server, equal, eventually, main, refused

READ, WRITE, ADMIN = "read-key-0123456789", "write-key-0123456789", "admin-key-0123456789"
EVENT = [{"UserId": "u1", "ItemId": "i2", "FeedbackType": "click"}]


def key_file(folder, read=READ):
    path = pathlib.Path(folder) / "keys"
    path.write_text(f"# who may ask\nshop read {read}\nfeed write {WRITE}\n"
                    f"root admin sha256:{hashlib.sha256(ADMIN.encode()).hexdigest()}\n", encoding="utf-8")
    return path


def with_key(key):
    return {"X-API-Key": key} if key else {}


def test_permissions():
    with tempfile.TemporaryDirectory() as folder, Server(["--keys", key_file(folder)]) as server:
        asked = (("GET", "/api/recommend/u1", None), ("POST", "/api/feedback", EVENT), ("GET", "/metrics", None))
        for method, path, body in asked:
            for key, text in ((None, "is asked for"), ("", "is asked for"), (READ[:-1], "not known"), (READ + "x", "not known"),
                              ("shop", "not known"), (" ", "")):
                refused(server.json(method, path, body, with_key(key)), 401, "key", text)
        status, headers, _ = server.ask("GET", "/metrics")
        equal((status, headers["WWW-Authenticate"]), (401, "Bearer"), "header")
        for key in (READ, WRITE, ADMIN):
            equal(server.ask("GET", "/api/recommend/u1", headers=with_key(key))[0], 200, key)
        bearer = {"Authorization": f"Bearer {READ}"}
        equal(server.ask("GET", "/api/recommend/u1", headers=bearer)[0], 200, "bearer")
        equal(server.ask("GET", "/api/recommend/u1", headers={"Authorization": f"Basic {READ}"})[0], 401, "basic")
        refused(server.post("/api/feedback", EVENT, with_key(READ)), 403, "permission", "grants write")
        for key in (WRITE, ADMIN):
            equal(server.post("/api/feedback", EVENT, with_key(key))[0], 200, key)
        for path in ("/api/health/live", "/api/health/ready", "/openapi.json"):
            equal(server.get(path)[0], 200, path)
        # a wrong key is the first thing to be told, before anything of the request's contents
        refused(server.post("/api/feedback", b"{", with_key("wrong")), 401, "key")
        for secret in (READ, WRITE, ADMIN):
            assert secret not in server.log(), "a key stands in the log"


def test_reload():
    with tempfile.TemporaryDirectory() as folder, Server(["--keys", key_file(folder)]) as server:
        equal(server.ask("GET", "/metrics", headers=with_key(READ))[0], 200, "the first key")
        key_file(folder, "other-key-0123456789")
        server.signal(signal.SIGHUP)
        eventually(lambda: server.ask("GET", "/metrics", headers=with_key(READ))[0] == 401, "the first key refused")
        equal(server.ask("GET", "/metrics", headers=with_key("other-key-0123456789"))[0], 200, "the second key")
        (pathlib.Path(folder) / "keys").write_text("nonsense\n", encoding="utf-8")
        server.signal(signal.SIGHUP)
        eventually(lambda: "a line is" in server.log(), "a complaint in the log")
        equal(server.ask("GET", "/metrics", headers=with_key("other-key-0123456789"))[0], 200, "the key in use")


def test_rate():
    """The rate is so low that no second passes into it."""
    with tempfile.TemporaryDirectory() as folder, \
            Server(["--keys", key_file(folder), "--rate", "0.001"]) as server:
        def ask(key):
            return server.ask("GET", "/metrics", headers=with_key(key))
        equal(ask(READ)[0], 200, "the first request of a key")
        status, headers, _ = ask(READ)
        equal(status, 429, "the second")
        assert 900 <= int(headers["Retry-After"]) <= 1000, headers
        equal(ask(WRITE)[0], 200, "another key")
        equal(ask("wrong-key-0123456789")[0], 401, "a wrong key")
        equal(ask("other-wrong-key-0123456789")[0], 429, "wrong keys draw on their address")
        for _ in range(3):
            equal(server.get("/api/health/live")[0], 200, "health is not limited")
        equal(ask(ADMIN)[0], 200, "the third key")
    with Server(["--rate", "0.001"]) as server:
        equal(server.ask("GET", "/metrics")[0], 200, "the first request of an address")
        equal(server.ask("GET", "/metrics")[0], 429, "the second")


def test_pages_of_others():
    with Server() as server:
        for host in ("localhost", "LOCALHOST:80", "127.0.0.1", f"127.0.0.1:{server.port}", "[::1]:80", "10.1.2.3"):
            equal(server.ask("GET", "/metrics", headers={"Host": host})[0], 200, host)
        for host in ("example.org", "localhost.example.org:80", "127.0.0.1.example.org", "[::1", "a" * 300, ""):
            refused(server.get("/metrics", {"Host": host}), 403, "host")
        here = f"127.0.0.1:{server.port}"
        equal(server.ask("GET", "/metrics", headers={"Origin": f"http://{here}"})[0], 200, "its own page")
        for origin in ("http://example.org", "null", f"http://{here}0", "http://127.0.0.1", f"http://{here}.example.org"):
            refused(server.get("/metrics", {"Origin": origin}), 403, "origin")
    with tempfile.TemporaryDirectory() as folder, Server(["--keys", key_file(folder)]) as server:
        equal(server.ask("GET", "/metrics", headers={"Host": "example.org", **with_key(READ)})[0], 200, "with a key")


main(globals())
