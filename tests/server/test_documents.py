#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The commands of docs/serving.md, as they stand there, against a server of the model that it trains."""
import json
import re
import shutil
import subprocess
import sys

from harness import DEADLINE, SKIPPED, SOURCE, Server, equal, main, run

PLACE = "http://127.0.0.1:8088"


def commands(document):
    """Lines of the blocks, those that end in a backslash joined with the next."""
    blocks = document.split("\n```")[1::2]
    return [line for block in blocks for line in block.replace("\\\n", "").splitlines()[1:]]


def train(server, lines):
    command = next(line for line in lines if line.startswith("topn train"))
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command)]
    model = server.folder / words[-1]
    run(*[SOURCE / word if word.startswith("examples/") else word for word in words[1:-1]], model, "--quiet")
    return model


def test_commands():
    if not shutil.which("curl"):
        print("skipped: curl is not installed")
        sys.exit(SKIPPED)
    lines = commands((SOURCE / "docs" / "serving.md").read_text(encoding="utf-8"))
    asked = [line for line in lines if line.startswith("curl") and PLACE in line and "/api/admin/" not in line]
    equal(len(asked) > 12, True, "commands found")
    with Server() as server:
        server.stop()
        server.model = train(server, lines)
        server.start()
        for line in asked:
            done = subprocess.run(["bash", "-c", line.replace(PLACE, server.url).replace("curl", "curl -sS", 1)],
                                  capture_output=True, text=True, timeout=DEADLINE)
            equal(done.returncode, 0, f"{line}: {done.stderr}")
            answer = json.loads(done.stdout)
            if "error" in answer:
                raise AssertionError(f"{line}: {answer['error']}")
            if "items" in answer:
                equal(len(answer["items"]) > 0, True, line)


main(globals())
