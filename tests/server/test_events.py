#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Events over HTTP: the next answer knows them, by each encoder's own rule; sent twice, taken back, wrong."""
import json

from harness import Server, equal, main, refused, run, train

METHODS = (("ease", ()), ("chol", ("--k", "0")), ("ials", ("--factors", "8", "--sweeps", "3")))
BOUNDS = 2e-7


def ids(answer):
    return [entry["id"] for entry in answer["items"]]


def check_equal(answer, model, history, what):
    """The answer is the one that topn recommend gives for this history, which is solved or summed anew."""
    output, _ = run("recommend", model, "--history", ",".join(sorted(history)), "-n", "30", "--format", "json", "--quiet")
    wanted = json.loads(output)["items"]
    equal(ids(answer), [entry["item"] for entry in wanted], what)
    for entry, expected in zip(answer["items"], wanted):
        if abs(entry["score"] - expected["score"]) > BOUNDS * max(1e-3, abs(expected["score"])):
            raise AssertionError(f"{what}: {entry} is not {expected}")


def seen(server, user):
    """The user's history, which is what the list of all items leaves out."""
    return {f"i{item}" for item in range(30)} - set(ids(server.get(f"/api/recommend/{user}?n=30")[1]))


def test_live():
    for method, options in METHODS:
        with Server() as server:
            server.stop()
            server.model = train(server.folder, method, options=options, name=method)
            server.start()
            before = server.get("/api/recommend/u3?n=30")[1]
            history, new = seen(server, "u3"), ids(before)[0]
            equal(server.post("/api/feedback", [{"UserId": "u3", "ItemId": new, "FeedbackType": "buy"}]),
                  (200, {"RowAffected": 1, "repeated": False, "unknown_items": 0}), method)
            after = server.get("/api/recommend/u3?n=30")[1]
            equal((after["live"], after["history"]), (True, len(history) + 1), method)
            check_equal(after, server.model, history | {new}, f"{method}: one event more")
            # an old one taken back, and the new one
            old = sorted(history)[0]
            equal(server.json("DELETE", f"/api/feedback/u3/{old}")[0], 200, "DELETE")
            check_equal(server.get("/api/recommend/u3?n=30")[1], server.model, (history | {new}) - {old},
                        f"{method}: one less")
            server.json("DELETE", f"/api/feedback/u3/{new}")
            server.post("/api/feedback", [{"UserId": "u3", "ItemId": old}])
            check_equal(server.get("/api/recommend/u3?n=30")[1], server.model, history, f"{method}: as before")
            # somebody new
            equal(server.get("/api/recommend/new")[1]["source"], "popularity", "before his first event")
            server.post("/api/feedback", [{"UserId": "new", "ItemId": item} for item in ("i4", "i2", "elsewhere")])
            answer = server.get("/api/recommend/new?n=30")[1]
            equal((answer["source"], answer["history"], answer["unknown_items"]), ("model", 2, 1), method)
            check_equal(answer, server.model, {"i2", "i4"}, f"{method}: somebody new")
            equal(server.get("/api/recommend/u4?n=30")[1]["live"], False, "others are as they were")


def test_after_restart():
    with Server() as server:
        server.post("/api/feedback", [{"UserId": "u1", "ItemId": "i28"}])
        before = server.get("/api/recommend/u1?n=30")[1]
        server.stop()
        server.start()
        equal(server.get("/api/recommend/u1?n=30")[1], before, "the store keeps it")


def test_repeats():
    with Server() as server:
        body, key = [{"UserId": "a", "ItemId": "i1", "Weight": 2}], {"Idempotency-Key": "one"}
        equal(server.post("/api/feedback", body, key)[1]["repeated"], False, "first")
        for _ in range(3):
            equal(server.post("/api/feedback", body, key), (200, {"RowAffected": 0, "repeated": True, "unknown_items": 0}),
                  "again")
        equal(server.get("/api/feedback/a/i1")[1]["Weight"], 2, "once is once")
        refused(server.post("/api/feedback", [{"UserId": "a", "ItemId": "i2"}], key), 409, "conflict", "Idempotency-Key")
        refused(server.json("PUT", "/api/feedback", body, key), 409, "conflict")
        server.post("/api/feedback", body)
        equal(server.get("/api/feedback/a/i1")[1]["Weight"], 4, "without a key it counts again")
        refused(server.post("/api/feedback", body, {"Idempotency-Key": "k" * 256}), 400, "header", "Idempotency-Key")


def test_reading():
    with Server() as server:
        server.post("/api/feedback", [
            {"UserId": "a", "ItemId": "i1", "Timestamp": "2026-01-01T00:00:00Z", "Weight": 1.5, "Comment": "again"},
            {"UserId": "a", "ItemId": "i2", "Timestamp": 1800000000, "Context": {"hour": "evening", "week": 7}},
            {"UserId": "a", "ItemId": "i1", "Timestamp": "2026-01-02", "Weight": 1, "FeedbackType": "buy"}])
        wanted = [{"UserId": "a", "ItemId": "i2", "Weight": 1.0, "Timestamp": "2027-01-15T08:00:00Z"},
                  {"UserId": "a", "ItemId": "i1", "Weight": 2.5, "Timestamp": "2026-01-02T00:00:00Z"}]
        equal(server.get("/api/feedback/a"), (200, {"Feedback": wanted}), "newest first")
        equal(server.get("/api/user/a/feedback?n=1"), (200, {"Feedback": wanted[:1]}), "as many as asked for")
        equal(server.get("/api/feedback/a/i1"), (200, wanted[1]), "one pair")
        refused(server.get("/api/feedback/a/i9"), 404, "not-found", "i9")
        equal(server.get("/api/feedback/nobody"), (200, {"Feedback": []}), "nobody")
        refused(server.get("/api/feedback/a?n=5001"), 400, "parameter", "n")
        server.json("PUT", "/api/feedback", [{"UserId": "a", "ItemId": "i1", "Weight": 3},
                                             {"UserId": "a", "ItemId": "i1", "Weight": 1}])
        equal(server.get("/api/feedback/a/i1")[1]["Weight"], 4, "in place of what was there, both of one request")
        server.json("DELETE", "/api/feedback/a/i2")
        equal([event["ItemId"] for event in server.get("/api/feedback/a")[1]["Feedback"]], ["i1"], "taken back")


def test_deleted_users():
    with Server() as server:
        server.post("/api/user", {"UserId": "u5", "Attributes": {"age": 30}})
        server.post("/api/feedback", [{"UserId": "u5", "ItemId": "i3"}, {"UserId": "new", "ItemId": "i3"}])
        for user in ("u5", "new", "nobody"):
            equal(server.json("DELETE", f"/api/user/{user}")[0], 200, user)
            equal(server.get(f"/api/feedback/{user}"), (200, {"Feedback": []}), user)
            answer = server.get(f"/api/recommend/{user}?n=30")[1]
            equal((answer["source"], answer["history"], len(answer["items"])), ("popularity", 0, 30), user)
            refused(server.get(f"/api/user/{user}"), 404, "not-found", user)
        server.post("/api/feedback", [{"UserId": "u5", "ItemId": "i7"}])
        check_equal(server.get("/api/recommend/u5?n=30")[1], server.model, {"i7"}, "what he does later is all there is")


def test_faults():
    good = {"UserId": "a", "ItemId": "i1"}
    with Server(["--max-batch", "3"]) as server:
        for body, text in (([], "at least 1"), ({}, "a list"), ([3], "[0]:"), ([{"UserId": "a"}], '"ItemId" is missing'),
                           ([{"ItemId": "a"}], '"UserId" is missing'), ([dict(good, UserId="")], "[0].UserId"),
                           ([dict(good, ItemId="x" * 256)], "[0].ItemId: 256"), ([dict(good, ItemId=7)], "[0].ItemId"),
                           ([dict(good, Weight=0)], "[0].Weight: 0 is not above 0"),
                           ([dict(good, Weight=-1)], "[0].Weight"), ([dict(good, Weight=1e10)], "[0].Weight"),
                           ([dict(good, Weight="1")], "[0].Weight"), ([good, dict(good, Timestamp="never")], "[1].Timestamp"),
                           ([dict(good, Timestamp=-5)], "Timestamp"), ([dict(good, Timestamp=1.5)], "[0].Timestamp"),
                           ([dict(good, FeedbackType="x" * 61)], "[0].FeedbackType"),
                           ([dict(good, Context={"hour": ["a"]})], "[0].Context.hour"),
                           ([dict(good, Context={str(i): 1 for i in range(33)})], "[0].Context"),
                           ([dict(good, Context=[])], "[0].Context"), ([dict(good, wieght=1)], '"wieght"')):
            for method in ("POST", "PUT"):
                refused(server.json(method, "/api/feedback", body), 400, "body", text)
        refused(server.post("/api/feedback", [good] * 4), 413, "batch", "--max-batch")
        equal(server.get("/api/feedback/a"), (200, {"Feedback": []}), "nothing of these was written")


main(globals())
