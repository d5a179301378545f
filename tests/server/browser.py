# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven through ChromeDriver by the WebDriver protocol (W3C) and nothing but the standard library."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading

from harness import DEADLINE, SKIPPED, eventually

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name of an element's reference


def needed():
    """Ends the test as skipped where there is no browser."""
    for name in ("chromium", "chromedriver"):
        if not shutil.which(name):
            print(f"skipped: {name} is not installed (script/setup test)")
            raise SystemExit(SKIPPED)


class Browser:
    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="topn-browser-")
        self.session = None
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, start_new_session=True, env=dict(os.environ, HOME=self.folder, TMPDIR=self.folder))
        try:
            self.port = self.read_port()
            arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                         f"--user-data-dir={self.folder}/profile"]
            made = self.command("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": {"args": arguments, "binary": shutil.which("chromium")},
                "goog:loggingPrefs": {"browser": "ALL"}}}})
            self.session = f"/session/{made['sessionId']}"
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def read_port(self):
        """ChromeDriver says which port it took: "… started successfully on port 12345."."""
        found = []

        def read():
            for line in self.driver.stdout:
                if "successfully on port" in line:
                    found.append(int(line.rsplit("port", 1)[1].strip(" .\n")))
                    return
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reader.join(DEADLINE)
        if not found:
            raise AssertionError("chromedriver did not start")
        return found[0]

    def command(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, json.dumps(body or {}) if method == "POST" else None,
                               {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{method} {path}: {value['error']}: {value.get('message', '')[:400]}")
        return value

    def open(self, url):
        self.command("POST", self.session + "/url", {"url": url})

    def run(self, script, *arguments):
        """What a function body in the page returns."""
        return self.command("POST", self.session + "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector):
        return self.run("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector)

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)", selector)

    def element(self, selector):
        found = self.command("POST", self.session + "/element", {"using": "css selector", "value": selector})
        return f"{self.session}/element/{found[ELEMENT]}"

    def click(self, selector):
        self.command("POST", self.element(selector) + "/click")

    def type(self, selector, text):
        """Keys into a field that is emptied before; "\\ue007" is Enter."""
        field = self.element(selector)
        self.command("POST", field + "/clear")
        self.command("POST", field + "/value", {"text": text})

    def waits(self, selector, holds, what):
        eventually(lambda: holds(self.text(selector)), f"{what}; {selector} says {self.text(selector)!r}")

    def complaints(self):
        """What the browser logged as severe: scripts that failed, what the content security policy refused."""
        entries = self.command("POST", self.session + "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def __exit__(self, kind, value, trace):
        try:
            if self.session and not kind:
                self.command("DELETE", self.session)
        finally:
            try:
                os.killpg(self.driver.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.driver.wait()
            self.driver.stdout.close()
            shutil.rmtree(self.folder, ignore_errors=True)
