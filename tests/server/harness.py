# SPDX-License-Identifier: Apache-2.0
"""A server for tests: trains a small model in a folder of its own, starts the program on a free port, asks, stops.

    with Server(["--max-body", "4096"]) as server:
        status, answer = server.get("/api/health/live")

Leaving the block stops the server by SIGTERM and demands exit code 0; whatever happens, no process and no folder is left.
"""
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

PROGRAM = os.environ["TOPN_PROGRAM"]
SOURCE = pathlib.Path(os.environ["TOPN_SOURCE"])
DEADLINE = 120  # seconds for anything that should take a moment: a loaded machine, a build with sanitizers
SKIPPED = 77

PROGRAM_ENVIRONMENT = dict(os.environ, OMP_WAIT_POLICY="passive", OMP_NUM_THREADS="1")


def events(users=40, items=30, seed=1):
    """Lines "user,item": user u0 … likes some of items i0 …, the first ones more often."""
    draw = random.Random(seed)
    pairs = {(user, min(int(draw.expovariate(0.12)), items - 1)) for user in range(users) for _ in range(8)}
    pairs |= {(item % users, item) for item in range(items)}
    return "".join(f"u{user},i{item}\n" for user, item in sorted(pairs))


def run(*arguments, code=0):
    """The program, to its end. (standard output, standard error); fails when the exit code is another."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE,
                          env=PROGRAM_ENVIRONMENT, stdin=subprocess.DEVNULL)
    if code is not None and done.returncode != code:
        raise AssertionError(f"topn {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr}")
    return done.stdout, done.stderr


def train(folder, method="ease", text=None, options=(), name="model"):
    """A small model; its path."""
    data, model = folder / f"{name}.csv", folder / name
    data.write_text("user,item\n" + (text or events()), encoding="utf-8")
    run("train", method, data, "-o", model, "--quiet", *options)
    return model


class Server:
    """A running server. `options` are more arguments of topn serve; `model` a path, else one is trained."""

    def __init__(self, options=(), model=None, folder=None, environment=None):
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="topn-server-"))
        self.process = None
        try:
            self.model = model or train(self.folder)
            self.start(options, environment)
        except BaseException:
            self.kill()
            self.clean()
            raise

    def start(self, options=(), environment=None):
        self.options = list(map(str, options))
        self.errors = open(self.folder / "stderr", "a+", encoding="utf-8")
        self.process = subprocess.Popen(
            [PROGRAM, "serve", str(self.model), "--port", "0", *self.options], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.errors, text=True, env=dict(PROGRAM_ENVIRONMENT, **(environment or {})))
        line = self.first_line()
        if not line.startswith("listening on "):
            raise AssertionError(f"the server did not start: {line!r} {self.log()}")
        self.url = line.split()[-1]
        self.host, port = self.url.split("//")[1].rsplit(":", 1)
        self.port = int(port)

    def first_line(self):
        found = []
        reader = threading.Thread(target=lambda: found.append(self.process.stdout.readline()), daemon=True)
        reader.start()
        reader.join(DEADLINE)
        if not found:
            raise AssertionError("the server said nothing")
        return found[0]

    def log(self):
        """What the server has written to standard error so far."""
        return (self.folder / "stderr").read_text(encoding="utf-8", errors="replace")

    def connection(self, timeout=DEADLINE):
        return http.client.HTTPConnection(self.host.strip("[]"), self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None, connection=None):
        """(status, headers, bytes) of one request; body: bytes, or anything that JSON can say."""
        own = connection or self.connection()
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        try:
            own.request(method, path, body, headers)
            answer = own.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            if not connection:
                own.close()

    def json(self, method, path, body=None, headers=None, connection=None):
        """(status, answer) of one request."""
        status, _, answer = self.ask(method, path, body, headers, connection)
        return status, json.loads(answer) if answer else None

    def get(self, path, headers=None):
        return self.json("GET", path, None, headers)

    def post(self, path, body, headers=None):
        return self.json("POST", path, body, headers)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """The exit code; negative for a signal."""
        code = self.process.wait(DEADLINE)
        self.process.stdout.close()
        return code

    def stop(self, code=0):
        self.signal(signal.SIGTERM)
        ended = self.wait()
        if ended != code:
            raise AssertionError(f"the server ended with {ended}, not {code}: {self.log()}")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def clean(self):
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind:
                sys.stderr.write(self.log()[-4000:])
            elif self.process.poll() is None:
                self.stop()
        finally:
            self.kill()
            self.errors.close()
            self.clean()


def equal(found, wanted, what=""):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} is not {wanted!r}")


def refused(answer, status, code, text=""):
    """Checks an answer (status, JSON) that says why a request was refused."""
    equal(answer[0], status, f"status of {answer[1]}")
    fault = answer[1]["error"]
    equal((fault["status"], fault["code"]), (status, code), "error")
    if text not in fault["message"]:
        raise AssertionError(f"{text!r} is not in {fault['message']!r}")


def eventually(holds, what, seconds=DEADLINE):
    """Waits until holds() is true."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.02)


def main(tests):
    """Runs every function named test_… of a module's globals(), or those named on the command line."""
    chosen = sys.argv[1:] or [name for name in tests if name.startswith("test_")]
    for name in chosen:
        started = time.monotonic()
        tests[name]()
        print(f"{name}: {time.monotonic() - started:.2f} s", flush=True)
