#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the server says of itself: the OpenAPI document, the metrics, the log; and TLS."""
import http.client
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import tempfile

from harness import DEADLINE, PROGRAM, SOURCE, Server, equal, eventually, main, refused

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}
TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}


def rows():
    """The names in routes.def."""
    return re.findall(r"^ROUTE\((\w+)\)", (SOURCE / "server/routes.def").read_text(encoding="utf-8"), re.MULTILINE)


def check_schema(schema, where):
    """Only what JSON Schema and OpenAPI 3.0 have in common, so that both kinds of tools read it."""
    assert isinstance(schema, dict), where
    if "$ref" in schema:
        equal(set(schema), {"$ref"}, where)
        return
    types = schema.get("type", [])
    for name in [types] if isinstance(types, str) else types:
        assert name in TYPES, f"{where}: type {name!r}"
    if types == "array":
        assert "items" in schema, f"{where}: an array without items"
    for name, part in schema.get("properties", {}).items():
        check_schema(part, f"{where}.{name}")
    assert set(schema.get("required", [])) <= set(schema.get("properties", {})), f"{where}: required but not described"
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            check_schema(schema[key], f"{where}.{key}")


def check_operation(path, method, operation):
    where = f"{method} {path}"
    assert operation["summary"].strip(), where
    in_path = [row["name"] for row in operation.get("parameters", []) if row["in"] == "path"]
    equal(sorted(in_path), sorted(re.findall(r"{(\w+)}", path)), f"{where}: parameters of the path")
    names = [(row["in"], row["name"]) for row in operation.get("parameters", [])]
    equal(len(names), len(set(names)), f"{where}: parameters given twice")
    for row in operation.get("parameters", []):
        assert row["in"] in ("path", "query") and (row["in"] != "path" or row["required"] is True), where
        check_schema(row["schema"], f"{where} {row['name']}")
    assert method not in ("get", "delete") or "requestBody" not in operation, f"{where}: a body"
    if "requestBody" in operation:
        check_schema(operation["requestBody"]["content"]["application/json"]["schema"], f"{where}: body")
    assert "200" in operation["responses"], where
    for status, answer in operation["responses"].items():
        assert re.fullmatch(r"[1-5]\d\d|default", status) and answer["description"], where
        for content in answer.get("content", {}).values():
            check_schema(content["schema"], f"{where}: answer {status}")


def test_document():
    with Server() as server:
        status, headers, body = server.ask("GET", "/openapi.json")
        equal((status, headers["Content-Type"]), (200, "application/json"), "document")
        document = json.loads(body)
        assert re.fullmatch(r"3\.1\.\d", document["openapi"]) and document["info"]["title"] and document["info"]["version"]
        operations = []
        for path, methods in document["paths"].items():
            assert path.startswith("/") and set(methods) <= METHODS, path
            for method, operation in methods.items():
                check_operation(path, method, operation)
                operations.append((path, method, operation))
        equal(len(operations), len(rows()), "one operation for each row of routes.def")
        ids = [operation["operationId"] for _, _, operation in operations]
        equal(len(ids), len(set(ids)), "operation ids are different")
        for reference in re.findall(r'"\$ref": ?"#/([^"]+)"', body.decode()):
            part = document
            for word in reference.split("/"):
                part = part[word]
        for scheme in document["components"]["securitySchemes"].values():
            assert scheme["type"] in ("apiKey", "http"), scheme
        # what is documented is what is served: every path has its methods and no others
        for path, methods in document["paths"].items():
            concrete = re.sub(r"{\w+}", "x", path)
            status, headers, _ = server.ask("BREW", concrete)
            equal(status, 405, path)
            allowed = {name.lower() for name in headers["Allow"].split(", ")} - {"head"}
            equal(allowed, set(methods), f"methods of {path}")
        # and every parameter is known, no other is
        for path, method, operation in operations:
            if method != "get":
                continue
            concrete = re.sub(r"{\w+}", "x", path)
            refused(server.get(f"{concrete}?no-such=1"), 400, "parameter", "no-such")
            for row in operation.get("parameters", []):
                if row["in"] == "query" and "default" in row["schema"]:
                    default = str(row["schema"]["default"]).lower()
                    status, answer = server.get(f"{concrete}?{row['name']}={default}")
                    text = json.dumps(answer)
                    assert f'no parameter \\"{row["name"]}' not in text, text
                    plain, _ = server.get(concrete)
                    equal(status, plain, f"{path}: the default of {row['name']} given")


def figures(server):
    """{name with labels: value}; checks the form of each line."""
    status, headers, body = server.ask("GET", "/metrics")
    equal((status, headers["Content-Type"].split(";")[0]), (200, "text/plain"), "metrics")
    found, kinds = {}, {}
    for line in body.decode().splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in kinds, f"{name} twice"
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            match = re.fullmatch(r'([a-z_]+)(\{(?:[a-z]+="[^"\\]*",?)+\})? (\S+)', line)
            assert match, line
            assert match[1] in kinds or re.sub(r"_(bucket|sum|count)$", "", match[1]) in kinds, line
            assert match[1] + (match[2] or "") not in found, line
            found[match[1] + (match[2] or "")] = float(match[3])
    return found


def test_metrics():
    with Server() as server:
        before = figures(server)
        for _ in range(3):
            server.get("/api/recommend/u1")
        server.get("/api/recommend/u1?n=0")
        server.get("/nothing")
        server.post("/api/feedback", [{"UserId": "u1", "ItemId": "i1"}, {"UserId": "u1", "ItemId": "i2"}])

        def ended(found):
            return sum(value for name, value in found.items()
                       if name.startswith("topn_requests_total") and "/metrics" not in name)
        eventually(lambda: ended(figures(server)) == 6, "counted when the answer has gone")
        after = figures(server)
        route = 'method="GET",route="/api/recommend/{user}"'
        equal(after[f'topn_requests_total{{{route},status="200"}}'], 3, "answered")
        equal(after[f'topn_requests_total{{{route},status="400"}}'], 1, "refused")
        equal(after['topn_requests_total{method="",route="",status="404"}'], 1, "without a route")
        equal(after[f"topn_request_seconds_count{{{route}}}"], 4, "in the histogram")
        equal(after[f'topn_request_seconds_bucket{{{route},le="+Inf"}}'], 4, "in its last bucket")
        buckets = [value for name, value in after.items() if name.startswith(f"topn_request_seconds_bucket{{{route}")]
        equal(buckets, sorted(buckets), "buckets rise")
        equal(after["topn_events_written_total"] - before["topn_events_written_total"], 2, "events")
        assert after["topn_requests_under_way"] >= 1, "this very request"
        equal((after["topn_store_up"], after["topn_model_generation"]), (1, 1), "store and model")
        assert after["process_resident_memory_bytes"] > 1e6


def lines(server):
    """Sorted: several threads write, each when the answer has gone."""
    every = [json.loads(line) for line in server.log().splitlines()]
    return sorted((line for line in every if "request" in line), key=lambda line: line["request"])


def test_log():
    for option, shown in ((), False), (("--log-ids",), True):
        with Server(option) as server:
            server.get("/api/recommend/private-user?n=3")
            server.get("/nothing/private-user")
            server.get("/api/popular?private-user=1")
            server.post("/api/feedback", [{"UserId": "private-user", "ItemId": "i1"}])
            eventually(lambda: len(lines(server)) == 4, "four lines")
            for number, line in enumerate(lines(server), 1):
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), line
                equal(line["request"], number, "number")
                assert line["microseconds"] >= 0 and line["bytes"] > 0, line
            equal([(line["method"], line.get("route"), line["status"]) for line in lines(server)],
                  [("GET", "/api/recommend/{user}", 200), ("GET", None, 404), ("GET", "/api/popular", 400),
                   ("POST", "/api/feedback", 200)], "lines")
            equal("private-user" in server.log(), shown, "ids in the log")
    with Server(["--quiet"]) as server:
        server.get("/api/popular")
        server.stop()
        equal(server.log(), "", "--quiet")


def test_injected_lines():
    """What a client sends does not break the log's lines or the answer's header."""
    with Server(["--log-ids"]) as server:
        server.get('/api/recommend/"},{"a":"b')
        server.get("/api/recommend/x%0d%0aX-Injected:%201")
        status, headers, _ = server.ask("GET", "/api/recommend/%C3%A4%E2%82%AC")
        equal((status, headers.get("X-Injected")), (200, None), "header")
        eventually(lambda: len(lines(server)) == 3, "three lines")


def test_unread_log():
    """A log that nobody reads does not stop the server."""
    reader, writer = os.pipe()
    try:
        with Server() as server:
            server.stop()
            with subprocess.Popen([PROGRAM, "serve", server.model, "--port", "0"], stdout=subprocess.PIPE, stderr=writer,
                                  stdin=subprocess.DEVNULL, text=True) as process:
                try:
                    server.port = int(process.stdout.readline().rsplit(":", 1)[1])
                    link = server.connection()
                    for _ in range(2000):  # more than a pipe holds
                        equal(server.json("GET", "/api/health/live", connection=link)[0], 200, "answered")
                    eventually(lambda: figures(server)["topn_log_lines_dropped_total"] > 0, "lines are dropped")
                    link.close()
                    process.terminate()
                    equal(process.wait(DEADLINE), 0, "exit code")
                finally:
                    process.kill()
        for line in os.read(reader, 1 << 20).decode().splitlines():
            json.loads(line)
    finally:
        os.close(reader)
        os.close(writer)


def test_tls():
    if not shutil.which("openssl"):
        print("skipped: openssl is not installed, which makes the certificate")
        return
    with tempfile.TemporaryDirectory() as name:
        key, certificate = pathlib.Path(name) / "key.pem", pathlib.Path(name) / "certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True, timeout=DEADLINE)
        with Server(["--tls-certificate", certificate, "--tls-key", key]) as server:
            assert server.url.startswith("https://"), server.url
            link = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=DEADLINE,
                                               context=ssl.create_default_context(cafile=certificate))
            for _ in range(3):
                equal(server.json("GET", "/api/recommend/u1?n=2", connection=link)[0], 200, "over TLS")
            equal(server.json("POST", "/api/feedback", [{"UserId": "u1", "ItemId": "i1"}] * 500, connection=link)[0], 200,
                  "a body over TLS")
            link.close()
            try: # without TLS there is no answer, and no harm
                server.get("/api/health/live")
                raise AssertionError("answered without TLS")
            except (http.client.HTTPException, ConnectionError):
                pass
            again = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=DEADLINE,
                                                context=ssl.create_default_context(cafile=certificate))
            equal(server.json("GET", "/api/health/live", connection=again)[0], 200, "afterwards")
            again.close()


main(globals())
