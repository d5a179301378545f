#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Requests that are wrong in one way each, and what is answered."""
from harness import Server, equal, main, refused


def test_targets():
    with Server() as server:
        for path, text in (("/api/../etc/passwd", "dot segment"), ("/api/%2e%2e/x", "dot segment"),
                           ("/api/.%2E/x", "dot segment"), ("/./", "dot segment"), ("/api//health/live", "empty segment"),
                           ("//", "empty segment"), ("/api/health/live/", "empty segment"), ("/api/%00", "control"),
                           ("/api/a%0ab", "control"), ("/api/%", "hexadecimal"), ("/api/%4", "hexadecimal"),
                           ("/api/%g0", "hexadecimal"), ("/api/%ff", "UTF-8"), ("/api/%c0%ae", "UTF-8"),
                           ("/api/%ed%a0%80", "UTF-8"), ("/api/" + "a/" * 9 + "a", "too many segments"),
                           ("/api/health/live?x=%zz", "hexadecimal"), ("/api/health/live?=1", "without a name"),
                           ("/api/health/live?a=1&&b=2", "without a name"), ("/api/health/live?a=1&a=2", "twice"),
                           ("/api/health/live?" + "&".join(f"p{i}=1" for i in range(40)), "too many parameters"),
                           ("http://elsewhere/api/health/live", "does not begin with /"), ("/api/x#y", "fragment")):
            refused(server.get(path), 400, "target", text)
        for path in ("/api/etc%2fpasswd", "/nothing", "/api", "/api/health", "/api/health/live%2f"):
            refused(server.get(path), 404, "path", "/openapi.json")
        equal(server.get("/%61pi/health/liv%65"), (200, {"status": "alive"}), "an escaped letter is the letter")


def test_methods():
    with Server() as server:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
            status, headers, _ = server.ask(method, "/api/health/live")
            equal((status, headers.get("Allow")), (405, "GET, HEAD"), method)
        status, headers, body = server.ask("HEAD", "/api/health/live")
        equal((status, headers["Content-Length"], body), (200, "18", b""), "HEAD")


def test_parameters():
    with Server() as server:
        refused(server.get("/api/health/live?verbose=1"), 400, "parameter", '"verbose"')


main(globals())
