#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ten thousand malformed requests, always the same: the server answers afterwards, keeps its memory, and ends in order.

Run on a build with sanitizers (preset asan) it is a fuzzer of the whole way from the socket to the store. The environment
variable TOPN_SEED takes other ones.
"""
import json
import os
import random
import select
import socket
import threading

from harness import DEADLINE, Server, equal, eventually, main

REQUESTS, THREADS, PATIENCE = 10000, 8, 0.03
SEED = int(os.environ.get("TOPN_SEED", "1"))

METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"", b"G\x00T",
           b"POST" * 50, b"PRI"]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"HTTP/", b"http/1.1", b"",
            b"HTTP/1.1 x"]
PIECES = [b"%00", b"%", b"%zz", b"%2e%2e", b"..", b"//", b"%ff", b"\xff", b"?", b"&", b"=", b"#", b"+", b"n=1", b"n=-1", b"{", b"}",
          b"a" * 3000, b"%c0%af", b"\t", b"\x7f", b"x=1&x=1", b";", b"*", b"http://h/", b"?n=99999999999999999999", b"u1", b"i1",
          b"?filter=" + b"(" * 500, b"?filter=a%3Db%20AND", b"?filter=NOT%20NOT", b"?context.a=b"]
HEADERS = [b"Content-Length: -1", b"Content-Length: 5", b"Content-Length: 99999999999999999999", b"Content-Length: x",
           b"Content-Length:", b"Transfer-Encoding: chunked", b"Transfer-Encoding: x, chunked", b"Expect: 100-continue",
           b"Expect: x", b"Connection: close", b"Connection: upgrade\r\nUpgrade: websocket", b"X-API-Key: " + b"k" * 500,
           b"Authorization: Bearer", b"Authorization: Basic !", b"Idempotency-Key: \xff\xfe", b"Idempotency-Key: " + b"k" * 5000,
           b"Host: [::1", b"Host:", b"Host: a\r\nHost: b", b": empty", b"no colon", b" folded", b"A" * 3000 + b": b",
           b"X: " + b"y" * 20000, b"Content-Type: application/json; charset=utf-7", b"Content-Type: text/html",
           b"Accept-Encoding: \x00", b"Origin: http://example.org", b"Range: bytes=0-", b"Cookie: a=b; c", b"\x00: \x00"]
VALUES = [None, True, 0, -1, 1e308, -1e308, 5e-324, 2 ** 63, "", "x", "u1", "i1", "\u0000", "\ud7ff", "x" * 300, [], {}, [[]],
          [None], {"a": {"b": []}}, "2026-11-23T00:00:00Z", "genre=Drama", "(" * 100]
FIELDS = ["UserId", "ItemId", "FeedbackType", "Timestamp", "Weight", "Labels", "Categories", "IsHidden", "Comment", "Title",
          "Attributes", "Context", "n", "items", "users", "history", "filter", "user", "x", ""]


def routes(server):
    """(method, path, with something in place of {…}) of all there are."""
    found = []
    for path, methods in server.get("/openapi.json")[1]["paths"].items():
        for method in methods:
            found.append((method.upper().encode(),
                          path.replace("{user}", "u1").replace("{item}", "i1").encode()))
    return found


def value(draw, depth=0):
    kind = draw.random()
    if depth < 4 and kind < 0.25:
        return [value(draw, depth + 1) for _ in range(draw.randrange(4))]
    if depth < 4 and kind < 0.6:
        return {draw.choice(FIELDS): value(draw, depth + 1) for _ in range(draw.randrange(6))}
    return draw.choice(VALUES)


def body(draw):
    kind = draw.randrange(8)
    if kind == 0:
        return b""
    if kind == 1:
        return draw.choice([b"[" * 5000, b'{"a":' * 3000, b"]", b"nul", b"\xef\xbb\xbf[]", b'"', b"[1e999999]", b"[1,]", b"{}{}",
                            b'{"a":1,"a":2}', b"\x00", b'"\\ud800"', b'["\\u0000"]', b"-", b"[0123]"])
    text = json.dumps(value(draw) if kind < 5 else [{"UserId": "u1", "ItemId": "i1", draw.choice(FIELDS): value(draw)}]).encode()
    return damage(draw, text) if kind == 7 else text


def chunked(draw, text):
    cut = draw.randrange(len(text) + 1)
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (text[:cut], text[cut:]) if part)
    return draw.choice([parts + b"0\r\n\r\n", parts, parts + b"0\r\nX: y\r\n\r\n", b"ffffffffffffffffff\r\n" + text,
                        b"-1\r\n" + text, b"5;x=y\r\n" + text, b"\r\n\r\n", b"zz\r\n" + parts])


def damage(draw, text):
    text = bytearray(text)
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(text) + 1)
        kind = draw.randrange(5)
        if kind == 0 and text:
            text[at % len(text)] ^= 1 << draw.randrange(8)
        elif kind == 1:
            text[at:at] = bytes(draw.randrange(256) for _ in range(draw.randrange(1, 9)))
        elif kind == 2:
            del text[at:at + draw.randrange(1, 20)]
        elif kind == 3:
            text[at:at] = text[at:at + draw.randrange(1, 50)]
        else:
            del text[at:]
    return bytes(text)


def request(draw, known):
    method, path = draw.choice(known)
    if draw.random() < 0.2:
        method = draw.choice(METHODS)
    for _ in range(draw.choice([0, 0, 1, 1, 2, 5])):
        at = draw.randrange(len(path) + 1)
        path = path[:at] + draw.choice(PIECES) + path[at:]
    text = body(draw) if draw.random() < 0.7 else b""
    headers = [b"Host: localhost"] if draw.random() < 0.95 else []
    headers += draw.sample(HEADERS, draw.choice([0, 0, 0, 1, 2, 4]))
    framing = draw.random()
    if framing < 0.6:
        headers.append(b"Content-Length: %d" % len(text))
    elif framing < 0.8:
        headers.append(b"Transfer-Encoding: chunked")
        text = chunked(draw, text)
    end = draw.choice([b"\r\n"] * 10 + [b"\n", b"\r", b"\r\n "])
    version = draw.choice(VERSIONS) if draw.random() < 0.2 else b"HTTP/1.1"
    whole = b" ".join([method, path, version]) + end + end.join(headers) + end + end + text
    if draw.random() < 0.3:
        whole = damage(draw, whole)
    return whole * draw.choice([1] * 12 + [3])


class Sender(threading.Thread):
    def __init__(self, server, known, number):
        super().__init__(daemon=True)
        self.server, self.known, self.number = server, known, number
        self.fault, self.statuses = None, {}

    def send(self, bytes_):
        with socket.create_connection((self.server.host, self.server.port), timeout=DEADLINE) as link:
            try:
                link.sendall(bytes_)
                ready, _, _ = select.select([link], [], [], PATIENCE)
                answer = link.recv(65536) if ready else b""
            except (BrokenPipeError, ConnectionResetError):
                answer = b""
        if answer.startswith(b"HTTP/1."):
            status = answer[9:12]
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status == b"500":
                raise AssertionError(f"{bytes_!r} was answered {answer!r}")
        elif answer:
            raise AssertionError(f"{bytes_!r} was answered {answer!r}")

    def run(self):
        try:
            for index in range(self.number, REQUESTS, THREADS):
                self.send(request(random.Random(SEED * 1000003 + index), self.known))
        except BaseException as fault:
            self.fault = fault


def memory(server):
    return next(float(line.split()[1]) for line in server.ask("GET", "/metrics")[2].decode().splitlines()
                if line.startswith("process_resident_memory_bytes "))


def test_malformed():
    # freed memory that the sanitizer keeps back would be counted as the server's
    keeps_little = {"ASAN_OPTIONS": "quarantine_size_mb=8:" + os.environ.get("ASAN_OPTIONS", "")}
    with Server(["--max-body", "64K", "--max-header", "8K"], environment=keeps_little) as server:
        known, before = routes(server), memory(server)
        senders = [Sender(server, known, number) for number in range(THREADS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(20 * DEADLINE)
            if sender.fault:
                raise sender.fault
        statuses = {}
        for sender in senders:
            for status, count in sender.statuses.items():
                statuses[status.decode()] = statuses.get(status.decode(), 0) + count
        print(statuses)
        assert statuses["400"] > REQUESTS / 10, "hardly any was malformed"
        equal(server.get("/api/recommend/u1?n=3")[0], 200, "afterwards")
        eventually(lambda: "topn_connections 1\n" in server.ask("GET", "/metrics")[2].decode(), "all connections closed")
        grown = memory(server) - before
        print(f"{grown / 1e6:.0f} MB more memory")
        assert grown < 200e6, f"{grown / 1e6:.0f} MB more memory"


main(globals())
