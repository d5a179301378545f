#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Recommendations, neighbors, scores and reasons over HTTP: what they are equal to, and where they say they come from."""
import json
import random
import urllib.parse

from harness import Server, equal, events, main, refused, run, train

METHODS = (("ease", ()), ("chol", ("--k", "0")), ("ials", ("--factors", "8", "--sweeps", "3")), ("itemknn", ()))
ITEMS = [f"i{item}" for item in range(30)]


def near(found, wanted, what):
    """Lists of items in the same order, with scores that are the same float."""
    equal([entry["id"] for entry in found], [entry[0] for entry in wanted], what)
    for entry, (_, score) in zip(found, wanted):
        if abs(entry["score"] - score) > 2e-7 * max(1e-3, abs(score)):
            raise AssertionError(f"{what}: {entry} is not {score}")


def told(model, *arguments):
    """What topn recommend prints: pairs of id and score."""
    output, _ = run("recommend", model, "--format", "json", "--quiet", *arguments)
    return [(entry["item"], entry["score"]) for entry in json.loads(output)["items"]]


def test_as_the_library():
    for method, options in METHODS:
        with Server(model=None, folder=None) as server:
            model = train(server.folder, method, options=options, name=method)
            server.stop()
            server.model = model
            server.start()
            for user in ("u0", "u7", "u39"):
                status, answer = server.get(f"/api/recommend/{user}?n=12")
                equal((status, answer["source"], answer["live"], answer["user"]), (200, "model", False, user), method)
                near(answer["items"], told(model, "--user", user, "-n", "12"), f"{method} {user}")
                equal(answer["model"].split("-")[0], method, "version")
            status, seen = server.get("/api/recommend/u0?n=30&include_seen=true")
            near(seen["items"], told(model, "--user", "u0", "-n", "30", "--include-seen"), f"{method} seen")
            equal(server.get("/api/recommend/u0?n=5&offset=4")[1]["items"],
                  server.get("/api/recommend/u0?n=9")[1]["items"][4:], "offset")


def test_sessions():
    draw = random.Random(3)
    for method, options in METHODS:
        with Server() as server:
            model = train(server.folder, method, options=options, name=method)
            server.stop()
            server.model = model
            server.start()
            for _ in range(4):
                history = draw.sample(ITEMS, draw.randint(1, 8))
                wanted = told(model, "--history", ",".join(sorted(history)), "-n", "10")  # sums run in this order
                body = [{"ItemId": item} for item in history]
                status, answer = server.post("/api/session/recommend?n=10", body)
                equal((status, answer["source"], answer["history"], answer["unknown_items"]),
                      (200, "model", len(history), 0), method)
                near(answer["items"], wanted, f"{method} {history}")
                more = [{"ItemId": "elsewhere", "Timestamp": "2026-01-02", "FeedbackType": "view", "Comment": ""}] + body
                answer = server.post("/api/session/recommend?n=10", {"History": more})[1]
                equal(answer["unknown_items"], 1, "unknown")
                near(answer["items"], wanted, "an unknown item changes nothing")
            nobody = server.post("/api/session/recommend?n=3", [])[1]
            equal((nobody["source"], nobody["reason"]), ("popularity", "empty history"), "an empty session")
            nobody = server.post("/api/session/recommend?n=3", [{"ItemId": "elsewhere"}])[1]
            equal((nobody["source"], nobody["reason"]), ("popularity", "unknown items"), "of unknown items")
            # of a user who is known: his history comes first
            old = server.get("/api/recommend/u0?n=30")[1]
            new = old["items"][0]["id"]
            joined = server.post("/api/session/recommend?n=30", {"UserId": "u0", "History": [{"ItemId": new}]})[1]
            equal(joined["history"], old["history"] + 1, "history of both")
            equal(new in [entry["id"] for entry in joined["items"]], False, "seen in the session")
            equal(server.get("/api/recommend/u0?n=30")[1], old, "nothing of a session is kept")


def test_weights():
    """An encoder that takes weights answers with them; twice an item is once with both weights."""
    with Server() as server:
        model = train(server.folder, "ease", options=("--values", "weight"), name="weighted")
        server.stop()
        server.model = model
        server.start()
        once = server.post("/api/session/recommend", [{"ItemId": "i1", "Weight": 3}, {"ItemId": "i2"}])[1]
        twice = server.post("/api/session/recommend",
                            [{"ItemId": "i1", "Weight": 1}, {"ItemId": "i2"}, {"ItemId": "i1", "Weight": 2}])[1]
        plain = server.post("/api/session/recommend", [{"ItemId": "i1"}, {"ItemId": "i2"}])[1]
        equal(once, twice, "weights are summed")
        equal(once["items"] != plain["items"], True, "and count")


def test_nobody():
    with Server() as server:
        counts = {}
        for line in events().splitlines():
            item = line.split(",")[1]
            counts[item] = counts.get(item, 0) + 1
        answer = server.get("/api/recommend/nobody?n=30")[1]
        equal((answer["source"], answer["reason"], answer["history"]), ("popularity", "unknown user", 0), "nobody")
        scores = [entry["score"] for entry in answer["items"]]
        equal(scores, sorted(counts.values(), reverse=True), "events of the items, most first")
        equal({entry["id"]: entry["score"] for entry in answer["items"]}, counts, "each its own")
        popular = server.get("/api/popular?n=30")[1]
        equal(popular["items"], answer["items"], "popular")
        equal(server.get("/api/popular?n=3&offset=2")[1]["items"], popular["items"][2:5], "offset")
        # the store knows him, but nothing of what he did
        equal(server.post("/api/user", {"UserId": "nobody"})[0], 200, "put")
        equal(server.get("/api/recommend/nobody")[1]["reason"], "empty history", "a user without events")
        server.post("/api/feedback", [{"UserId": "nobody", "ItemId": "elsewhere"}])
        answer = server.get("/api/recommend/nobody")[1]
        equal((answer["reason"], answer["unknown_items"]), ("unknown items", 1), "events of unknown items alone")
        answer = server.get("/api/explain/nobody/i3")[1]
        equal((answer["source"], answer["score"], answer["bias"], answer["contributions"]),
              ("popularity", counts["i3"], counts["i3"], []), "nobody's reasons")
        answer = server.post("/api/score", {"UserId": "nobody", "Items": ["i3", "x", "i0"]})[1]
        equal([entry["score"] for entry in answer["items"]], [counts["i3"], None, counts["i0"]], "nobody's scores")


def test_reasons():
    for method, options in METHODS:
        with Server() as server:
            server.stop()
            server.model = train(server.folder, method, options=options, name=method)
            server.start()
            for user, item in (("u0", "i5"), ("u3", "i0"), ("u20", "i29")):
                status, answer = server.get(f"/api/explain/{user}/{item}")
                equal((status, answer["id"], answer["user"]), (200, item, user), method)
                total = answer["bias"] + sum(part["contribution"] for part in answer["contributions"])
                if abs(total - answer["score"]) > 1e-5 * max(1.0, abs(total)):
                    raise AssertionError(f"{method}: {total} is not {answer['score']}")
                sizes = [abs(part["contribution"]) for part in answer["contributions"]]
                equal(sizes, sorted(sizes, reverse=True), "largest first")
                equal(len(sizes), answer["history"], "every item of the history")
                status, scored = server.post("/api/score", {"UserId": user, "Items": [item]})
                equal(scored["items"], [{"id": item, "score": answer["score"]}], "the score is the score")
            listed = server.get("/api/recommend/u0?n=3&explain=true")[1]
            shares = {entry["id"]: entry["contribution"]
                      for entry in server.get(f"/api/explain/u0/{listed['items'][0]['id']}")[1]["contributions"]}
            for part in listed["items"][0]["because"]:
                equal(part["contribution"], shares[part["id"]], "a reason is a contribution")
            equal(len(listed["items"][0]["because"]) <= 3, True, "three at most")
            refused(server.get("/api/explain/u0/elsewhere"), 404, "not-found", "elsewhere")


def test_neighbors():
    with Server() as server:
        status, answer = server.get("/api/item/i3/neighbors?n=5")
        output, _ = run("similar", server.model, "--item", "i3", "-n", "5", "--format", "json", "--quiet")
        near(answer["items"], [(entry["item"], entry["score"]) for entry in json.loads(output)["items"]], "neighbors")
        equal("i3" in [entry["id"] for entry in answer["items"]], False, "but itself")
        refused(server.get("/api/item/elsewhere/neighbors"), 404, "not-found", "elsewhere")
        server.stop()
        server.model = train(server.folder, "popularity", name="popularity")
        server.start()
        refused(server.get("/api/item/i3/neighbors"), 400, "unsupported", "popularity")
        equal(server.get("/api/recommend/u3")[1]["source"], "model", "popularity is a model too")


def test_scores():
    with Server() as server:
        listed = server.get("/api/recommend/u1?n=30&include_seen=true")[1]["items"]
        wanted = {entry["id"]: entry["score"] for entry in listed}
        order = ["i9", "i0", "nothing", "i9", "i17"]
        status, answer = server.post("/api/score", {"UserId": "u1", "Items": order})
        equal((status, answer["unknown_candidates"]), (200, 1), "unknown")
        equal([(entry["id"], entry["score"]) for entry in answer["items"]],
              [(item, wanted.get(item)) for item in order], "in the order of the request")
        history = [{"ItemId": "i1"}, {"ItemId": "i2"}]
        alone = server.post("/api/score", {"History": history, "Items": ["i5"]})[1]["items"][0]["score"]
        session = server.post("/api/session/recommend?n=30", history)[1]["items"]
        equal([entry["score"] for entry in session if entry["id"] == "i5"], [alone], "of a session")


def test_batches():
    with Server(["--max-batch", "4"]) as server:
        users = ["u0", "nobody", "u0", "ü/?&"]
        status, answer = server.post("/api/recommend?n=4&explain=true", {"Users": users})
        equal((status, [entry["user"] for entry in answer["lists"]]), (200, users), "in the order of the request")
        for user, entry in zip(users, answer["lists"]):
            equal(entry, server.get(f"/api/recommend/{urllib.parse.quote(user, safe='')}?n=4&explain=true")[1], user)
        refused(server.post("/api/recommend", {"Users": users + ["u5"]}), 413, "batch", "--max-batch")
        for body, text in (({}, '"Users" is missing'), ({"Users": []}, "at least 1"), ({"Users": ["u", 3]}, "Users[1]"),
                           ({"Users": [""]}, "Users[0]"), ({"Users": ["u"], "n": 3}, 'unknown field "n"'),
                           ({"Users": ["u" * 256]}, "256 characters"), ([], "a list")):
            refused(server.post("/api/recommend", body), 400, "body", text)


def test_wishes():
    with Server(["--max-number", "50"]) as server:
        for query, text in (("n=0", "1 to 50"), ("n=51", "1 to 50"), ("n=-1", "n:"), ("n=1e1", "n:"), ("n=", "n:"),
                            ("n=50&offset=1", "offset"), ("offset=x", "offset"), ("diversity=1.5", "0 to 1"),
                            ("diversity=nan", "0 to 1"), ("diversity=", "0 to 1"), ("explain=yes", "true nor false"),
                            ("include_seen=1", "true nor false"), ("retriever=fast", "exact nor index"),
                            ("retriever=index", "--retriever"), ("context.hour=evening", "without fields"),
                            ("limit=3", '"limit"')):
            refused(server.get(f"/api/recommend/u0?{query}"), 400, "parameter", text)
        equal(server.get("/api/recommend/u0?n=50&retriever=exact")[0], 200, "exact is always there")
        equal(len(server.get("/api/recommend/u0?n=50&include_seen=true")[1]["items"]), 30, "all items, not 50")


def test_indexes():
    """An index that the server was started with answers, and says so; exact answers stay a parameter away."""
    with Server() as server:
        server.stop()
        server.model = train(server.folder, "ials", options=("--factors", "8", "--sweeps", "3"), name="indexed")
        run("index", server.model, "--retriever", "hnsw", "--quiet")
        server.start(["--retriever", "hnsw"])
        exact = server.get("/api/recommend/u3?n=30&retriever=exact")[1]
        near(exact["items"], told(server.model, "--user", "u3", "-n", "30"), "exact")
        equal("retriever" in exact, False, "exact")
        for query in ("", "&retriever=index"):
            found = server.get(f"/api/recommend/u3?n=30{query}")[1]
            equal(found["retriever"], "hnsw", query)
            near(found["items"], told(server.model, "--user", "u3", "-n", "30", "--retriever", "hnsw"), "index")
        session = server.post("/api/session/recommend?n=5", [{"ItemId": "i1"}])[1]
        equal((session["retriever"], len(session["items"])), ("hnsw", 5), "a session")
        equal("retriever" in server.get("/api/recommend/nobody")[1], False, "popularity needs none")


def test_faults_of_sessions():
    with Server() as server:
        for body, text in (({"History": 3}, "History:"), ([{}], '"ItemId" is missing'),
                           ([{"ItemId": ""}], "[0].ItemId"), ([{"ItemId": "a", "Weight": 0}], "[0].Weight"),
                           ([{"ItemId": "a", "Weight": 1e10}], "[0].Weight"),
                           ([{"ItemId": "a"}, {"ItemId": "b", "Timestamp": "soon"}], "Timestamp"),
                           ([{"ItemId": "a", "Wieght": 1}], '"Wieght"'),
                           ({"Attributes": {"a": {"b": 1}}}, "Attributes.a"),
                           ({"History": [], "Extra": 1}, '"Extra"'), ([{"ItemId": "a"}] * 5001, "at most 5000")):
            refused(server.post("/api/session/recommend", body), 400, "body", text)
        for body, text in (({"UserId": "u"}, '"Items" is missing'), ({"Items": []}, "at least 1"),
                           ({"Items": [1]}, "Items[0]"), ({"Items": ["a"], "UserId": 7}, "UserId")):
            refused(server.post("/api/score", body), 400, "body", text)


main(globals())
