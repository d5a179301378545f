#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Limits of size, number and time; requests that come in halves, slowly or not at all."""
import json
import re
import socket
import time

from harness import DEADLINE, Server, equal, eventually, main, refused

EVENT = {"UserId": "u1", "ItemId": "i2", "FeedbackType": "click"}


def plain(server):
    """A connection for bytes."""
    return socket.create_connection((server.host, server.port), timeout=DEADLINE)


def rest(link):
    """Everything until the other side closes."""
    found = b""
    while True:
        try:
            part = link.recv(65536)
        except ConnectionResetError:
            return found
        if not part:
            return found
        found += part


def figure(server, name):
    return next(float(line.split()[1]) for line in server.ask("GET", "/metrics")[2].decode().splitlines()
                if line.startswith(name + " "))


def test_body():
    with Server(["--max-body", "4K"]) as server:
        big = [dict(EVENT, Comment="x" * 4096)]
        refused(server.post("/api/feedback", big), 413, "body", "4096")
        exact = json.dumps([EVENT]).encode()
        equal(server.post("/api/feedback", exact + b" " * (4096 - len(exact)))[0], 200, "a body of the limit")
        refused(server.post("/api/feedback", exact + b" " * (4097 - len(exact))), 413, "body")
        # without a length beforehand
        link = server.connection()
        link.request("POST", "/api/feedback", iter([b" " * 1000] * 6), {"Content-Type": "application/json"},
                     encode_chunked=True)
        equal(link.getresponse().status, 413, "in chunks")
        link.close()
        for body, text in ((b"", "there was none"), (b"{", "line 1"), (b"[1,2", "line 1"), (b'{"a":1,"a":2}', "line 1"),
                           (b"[]x", "line 1"), (b"\xff", "line 1"), (b'["\\u0000"]', "line 1"), (b"[" * 4000, "line 1")):
            status, answer = server.post("/api/feedback", body)
            equal(status, 400, body[:20])
            assert text in answer["error"]["message"], answer
        refused(server.json("GET", "/api/popular", EVENT), 400, "body", "takes no body")
        refused(server.post("/api/feedback", b"a=1", {"Content-Type": "text/plain"}), 415, "type", "application/json")
        equal(server.post("/api/feedback", [EVENT], {"Content-Type": "application/json; charset=utf-8"})[0], 200, "type")


def test_waiting_for_leave():
    """A client that asks before it sends (Expect: 100-continue) is told no before the body."""
    with Server(["--max-body", "1K"]) as server, plain(server) as link:
        link.sendall(b"POST /api/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
                     b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        assert rest(link).startswith(b"HTTP/1.1 413 "), "an answer"
    body = json.dumps([EVENT]).encode()
    with Server() as server, plain(server) as link:
        link.sendall(b"POST /api/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
                     b"Expect: 100-continue\r\nConnection: close\r\n\r\n" % len(body))
        assert link.recv(4096).startswith(b"HTTP/1.1 100 "), "leave"
        link.sendall(body)
        assert rest(link).startswith(b"HTTP/1.1 200 "), "an answer"


def test_many_large_bodies():
    """64 bodies of the greatest size are held at once; more are refused, and nothing is lost of the others."""
    size, most, extra = 4096, 64, 16
    with Server(["--max-body", str(size)]) as server:
        links = [plain(server) for _ in range(most + extra)]
        for link in links:
            link.sendall(b"POST /api/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                         b"Content-Length: %d\r\nConnection: close\r\n\r\n" % size + b" " * (size - 2))
        eventually(lambda: figure(server, "topn_body_bytes") >= most * (size - 2), "as many bodies as fit")
        time.sleep(0.3)
        for link in links:
            link.sendall(b"1 ")
        statuses = [rest(link).split()[1] for link in links]
        for link in links:
            link.close()
        # a number is no list of events; whoever's body was read late may have found room again
        good, busy = statuses.count(b"400"), statuses.count(b"503")
        assert good >= most and busy > 0 and good + busy == len(links), statuses
        equal(server.post("/api/feedback", [EVENT])[0], 200, "afterwards")


def test_header():
    with Server(["--max-header", "2K"]) as server:
        equal(server.ask("GET", "/api/health/live", headers={"X-Long": "x" * 1800})[0], 200, "below the limit")
        equal(server.ask("GET", "/api/health/live", headers={"X-Long": "x" * 2100})[0], 431, "above")
        with plain(server) as link:
            try:
                link.sendall(b"GET /api/health/live HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 1000000 + b"\r\n\r\n")
            except OSError:
                pass
            answer = rest(link)
            assert not answer or answer.split()[1] in (b"400", b"413", b"414", b"431"), answer[:100]
        with plain(server) as link:
            try:
                link.sendall(b"GET /" + b"a" * 1000000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            except OSError:
                pass
            answer = rest(link)
            assert not answer or answer.split()[1] in (b"400", b"413", b"414", b"431"), answer[:100]
        equal(server.get("/api/health/live")[0], 200, "afterwards")


def test_numbers():
    with Server(["--max-number", "5", "--max-batch", "3"]) as server:
        equal(len(server.get("/api/recommend/u1?n=5")[1]["items"]), 5, "n of the limit")
        for n in ("6", "0", "-1", "1.5", "x", "", "99999999999999999999999", "5%00", "+5"):
            status, _ = server.get(f"/api/recommend/u1?n={n}")
            equal(status, 400, f"n={n}")
        equal(server.post("/api/feedback", [EVENT] * 3)[0], 200, "a batch of the limit")
        equal(server.post("/api/feedback", [EVENT] * 4)[0] in (400, 413), True, "a batch above")


def test_framing():
    """What could be two requests for one reader and one for another is refused, and the connection closed."""
    with Server() as server:
        for header in (b"Content-Length: 2\r\nContent-Length: 3", b"Content-Length: 2\r\nTransfer-Encoding: chunked",
                       b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding: gzip",
                       b"Content-Length: 0x2", b"Content-Length: -2", b"Content-Length: +2",
                       b"Content-Length: 99999999999999999999999", b"Host: other\r\nContent-Length: 2"):
            with plain(server) as link:
                link.sendall(b"POST /api/feedback HTTP/1.1\r\nHost: localhost\r\n" + header +
                             b"\r\nConnection: close\r\n\r\n[]GET /api/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                link.shutdown(socket.SHUT_WR)
                answer = rest(link)
                assert not answer or answer.split()[1] in (b"400", b"413", b"501"), (header, answer)
                assert b'"alive"' not in answer, header
        equal(server.get("/api/health/live")[0], 200, "afterwards")


def test_half_requests():
    with Server() as server:
        whole = (b"POST /api/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 b"Content-Length: 60\r\n\r\n" + json.dumps([EVENT]).encode().ljust(60))
        for size in range(1, len(whole), 7):
            with plain(server) as link:
                link.sendall(whole[:size])
                if size % 2: # the end comes with the last bytes, or later
                    time.sleep(0.01)
        with plain(server) as link: # and one that comes in single bytes, soon enough
            for at in range(len(whole)):
                link.sendall(whole[at:at + 1])
            assert link.recv(65536).startswith(b"HTTP/1.1 200 "), "the whole request"
        equal(server.get("/api/health/live")[0], 200, "afterwards")
        equal(figure(server, "topn_events_written_total"), 1, "only the whole request counts")
        # the dead do not keep the server from stopping: connections of theirs are closed long before their time
        eventually(lambda: "topn_connections 1\n" in server.ask("GET", "/metrics")[2].decode(), "connections closed",
                   20)


def test_slow_clients():
    """Time limits of one second; clients that would take minutes."""
    with Server(["--connection-timeout", "1s"]) as server:
        with plain(server) as silent, plain(server) as dripping, plain(server) as body, plain(server) as deaf:
            body.sendall(b"POST /api/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n[")
            deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5)
            closed = set()

            def drip(link, name, byte):
                try:
                    link.sendall(byte)
                    link.setblocking(False)
                    try:
                        if link.recv(65536) == b"":
                            closed.add(name)
                    except BlockingIOError:
                        pass
                    link.setblocking(True)
                except OSError:
                    closed.add(name)

            def all_closed():
                if "dripping" not in closed:
                    drip(dripping, "dripping", b"G" if not closed else b"E")
                if "body" not in closed:
                    drip(body, "body", b" ")
                time.sleep(0.2)
                return {"dripping", "body"} <= closed
            eventually(all_closed, "the connections that drip are closed")
            equal(rest(silent), b"", "the silent one is closed")
            equal(server.get("/api/health/live")[0], 200, "all the while")


def test_connections():
    """As many as allowed; another waits until one goes."""
    with Server(["--max-connections", "4", "--workers", "2"]) as server:
        links = [plain(server) for _ in range(4)]
        waiting = plain(server)
        waiting.sendall(b"GET /api/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        waiting.settimeout(0.5)
        try:
            answer = waiting.recv(10)
            raise AssertionError(f"a connection too many was answered: {answer!r}")
        except TimeoutError:
            pass
        for link in links:
            link.close()
        waiting.settimeout(DEADLINE)
        assert waiting.recv(100).startswith(b"HTTP/1.1 200 "), "answered when there is room"
        waiting.close()


def test_pipelined():
    """Several requests in one packet are answered in order."""
    with Server() as server, plain(server) as link:
        link.sendall(b"GET /api/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3 +
                     b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        equal(re.findall(rb"HTTP/1\.1 (\d+)", rest(link)), [b"200", b"200", b"200", b"404"], "statuses")


main(globals())
