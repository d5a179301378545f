#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts that are refused, the stop, and models loaded anew."""
import http.client
import os
import pathlib
import shutil
import signal
import socket
import tempfile
import threading
import time

from harness import DEADLINE, Server, equal, eventually, events, main, refused, run, train


def folder():
    return tempfile.TemporaryDirectory(prefix="topn-server-")


def refused_start(text, *arguments, code=1):
    """One line on standard error that begins with "topn: " and holds `text`, nothing on standard output."""
    out, err = run("serve", *arguments, code=code)
    equal(out, "", "standard output")
    if err.count("\n") != 1 or not err.startswith("topn: ") or text not in err:
        raise AssertionError(f"{text!r} is not the one line {err!r}")


def test_refused_starts():
    with folder() as name:
        place = pathlib.Path(name)
        model = train(place)
        refused_start("nothing", place / "nothing", "--port", "0")
        broken = bytearray(model.read_bytes())
        broken[len(broken) // 2] ^= 1
        (place / "broken").write_bytes(broken)
        refused_start("broken", place / "broken", "--port", "0")
        (place / "half").write_bytes(model.read_bytes()[:1000])
        refused_start("half", place / "half", "--port", "0")
        refused_start("model.csv", place / "model.csv", "--port", "0")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            refused_start("--port", model, "--port", taken.getsockname()[1])
        for address in ("0.0.0.0", "::", "192.0.2.1"):
            refused_start("--keys", model, "--port", "0", "--address", address, code=2)
        refused_start("192.0.2.1", model, "--port", "0", "--address", "192.0.2.1", "--keys", write(place / "good",
                      "a read 0123456789abcdef\n"))
        refused_start("/nowhere", model, "--port", "0", "--keys", place / "nowhere")
        refused_start("wrong:1: ", model, "--port", "0", "--keys", write(place / "wrong", "a b\n"))
        refused_start("--tls-key", model, "--port", "0", "--tls-certificate", place / "good", code=2)
        refused_start("no-such", model, "--port", "0", "--retriever", "no-such")
        refused_start("store", model, "--port", "0", "--store", place / "missing" / "store")
        write(place / "foreign.sqlite", "this is no database, whatever its name says\n" * 100)
        refused_start("foreign", model, "--port", "0", "--store", place / "foreign.sqlite")
        for option, value in (("port", "65536"), ("port", "x"), ("workers", "-1"), ("max-body", "1T"), ("max-body", "0"),
                              ("max-number", "0"), ("connection-timeout", "0"), ("connection-timeout", "soon"),
                              ("rate", "-1"), ("rate", "nan"), ("retrain-every", "1y"), ("retrain-margin", "2"),
                              ("max-connections", "0")):
            refused_start(f"--{option}", model, f"--{option}={value}", code=2)
        assert not (place / "model.events").exists(), "a refused start leaves a store behind"
        refused_start("PEM", model, "--quiet", "--port", "0", "--tls-certificate", place / "good", "--tls-key", place / "good")


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


class Load(threading.Thread):
    """Posts events and asks for recommendations, until the server goes. What was acknowledged is in `events`."""

    def __init__(self, server, number, keep):
        super().__init__(daemon=True)
        self.server, self.number, self.keep = server, number, keep
        self.events, self.faults, self.answered = [], [], 0
        self.stopping = False

    def run(self):
        link = self.server.connection()
        used = False
        while True:
            item = f"i{self.answered % 30}"
            body = [{"UserId": f"load{self.number}", "ItemId": item, "FeedbackType": "click"}]
            try:
                status, headers, _ = self.server.ask("POST", "/api/feedback", body, connection=link)
            except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError) as gone:
                # Before the stop only a connection that was used before may be closed under a request, and none is.
                if not self.stopping:
                    self.faults.append(repr(gone))
                return
            except Exception as fault: # an answer in half
                self.faults.append(repr(fault))
                return
            self.answered += 1
            if status == 200:
                self.events.append(item)
            elif not (status == 503 and self.stopping):
                self.faults.append(status)
            if not self.keep or headers.get("Connection") == "close":
                link.close()
                link = self.server.connection()


def test_graceful_stop():
    """Under load: no answer in half, and every event that was acknowledged is there afterwards."""
    with folder() as name:
        model = train(pathlib.Path(name))
        with Server(model=model, folder=name) as server:
            loads = [Load(server, number, number % 2 == 0) for number in range(8)]
            for load in loads:
                load.start()
            eventually(lambda: all(load.answered > 20 for load in loads), "the load runs")
            for load in loads:
                load.stopping = True
            server.stop()
            for load in loads:
                load.join(DEADLINE)
                equal(load.faults, [], "faults")
        with Server(model=model, folder=name) as server:
            for load in loads:
                status, answer = server.get(f"/api/user/load{load.number}/feedback?n=1000")
                equal(status, 200, str(answer))
                kept = {row["ItemId"] for row in answer["Feedback"]}
                equal(kept >= set(load.events), True, f"{set(load.events) - kept} of {load.number}")


def test_stop_with_open_connections():
    """Idle connections and clients in the middle of a request do not keep the server; one under way is answered."""
    with Server() as server:
        idle = server.connection()
        idle.request("GET", "/api/health/live")
        idle.getresponse().read()
        half = socket.create_connection((server.host, server.port), timeout=DEADLINE)
        body = b'[{"UserId": "u1", "ItemId": "i1"}]'
        half.sendall(b"POST /api/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:9])
        header = socket.create_connection((server.host, server.port), timeout=DEADLINE)
        header.sendall(b"GET /api/hea")
        eventually(lambda: "topn_requests_under_way 2\n" in server.ask("GET", "/metrics")[2].decode(), "the half request")
        server.signal(signal.SIGTERM)
        eventually(lambda: refuses(server), "no new connections")
        half.sendall(body[9:])
        answer = half.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 ") and b"Connection: close" in answer, answer
        equal(server.wait(), 0, "exit code")
        for link in (half, header, idle.sock):
            link.close()


def refuses(server):
    try:
        socket.create_connection((server.host, server.port), timeout=1).close()
        return False
    except OSError:
        return True


def test_signals():
    for first in (signal.SIGTERM, signal.SIGINT):
        with Server() as server:
            server.signal(first)
            equal(server.wait(), 0, "exit code")
    with Server() as server: # impatient: the half request is not waited for
        half = socket.create_connection((server.host, server.port), timeout=DEADLINE)
        half.sendall(b"POST /api/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n[")
        eventually(lambda: "topn_requests_under_way 2\n" in server.ask("GET", "/metrics")[2].decode(), "the half request")
        server.signal(signal.SIGTERM)
        eventually(lambda: refuses(server), "no new connections")
        server.signal(signal.SIGINT)
        equal(server.wait(), 0, "exit code")
        half.close()


def test_hangup():
    """SIGHUP takes the model file anew while requests run; a broken one is left."""
    with folder() as name:
        place = pathlib.Path(name)
        model = train(place)
        other = train(place, text=events(seed=7), name="other")
        with Server(model=model, folder=name) as server:
            first = server.get("/api/health/ready")[1]["model"]
            loads = [Load(server, number, True) for number in range(4)]
            for load in loads:
                load.start()
            shutil.copy(other, place / "new")
            os.replace(place / "new", model)
            server.signal(signal.SIGHUP)
            eventually(lambda: server.get("/api/health/ready")[1]["model"] != first, "the second model")
            second = server.get("/api/health/ready")[1]["model"]
            write(place / "new", "no model")
            os.replace(place / "new", model)
            server.signal(signal.SIGHUP)
            eventually(lambda: '"level":"error"' in server.log(), "a complaint")
            equal(server.get("/api/health/ready")[1]["model"], second, "the model in use")
            for load in loads:
                load.stopping = True
            server.stop()
            for load in loads:
                load.join(DEADLINE)
                equal(load.faults, [], "faults")


main(globals())
