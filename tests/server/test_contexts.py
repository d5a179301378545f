#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Models that know contexts of events and features of users: what requests and the store say of them counts."""
import json
import random

from harness import Server, equal, main, refused, run

HOURS = ("morning", "noon", "evening")


def contextual_events(users=30, items=20):
    """Each hour has items of its own, each gender too, so that both change the order."""
    draw = random.Random(5)
    lines = set()
    for user in range(users):
        for _ in range(12):
            hour = draw.randrange(3)
            item = (draw.randrange(7) * 3 + hour) % items if draw.random() < 0.8 else draw.randrange(items)
            lines.add(f"u{user},i{item},{HOURS[hour]}")
    return "user,item,hour\n" + "\n".join(sorted(lines)) + "\n"


def train(folder):
    data, features, model = folder / "data.csv", folder / "users.csv", folder / "contextual"
    data.write_text(contextual_events(), encoding="utf-8")
    features.write_text("user,gender,age\n" + "".join(f"u{user},{'FM'[user % 2]},{20 + 1.5 * user}\n" for user in range(30)),
                        encoding="utf-8")
    run("train", "fm", data, "-o", model, "--quiet", "--context-columns", "hour", "--user-features", features,
        "--user-feature-columns", "user,gender,age:number", "--factors", "4", "--sweeps", "3")
    return model


def near(found, output, what):
    wanted = json.loads(output[0])["items"]
    equal([entry["id"] for entry in found], [entry["item"] for entry in wanted], what)
    for entry, expected in zip(found, wanted):
        if abs(entry["score"] - expected["score"]) > 1e-5 * max(1.0, abs(expected["score"])):
            raise AssertionError(f"{what}: {entry} is not {expected}")


def ask(model, *arguments):
    return run("recommend", model, "-n", "20", "--format", "json", "--quiet", *arguments)


def test_contexts():
    with Server() as server:
        server.stop()
        server.model = train(server.folder)
        server.start()
        plain = server.get("/api/recommend/u1?n=20")[1]
        near(plain["items"], ask(server.model, "--user", "u1"), "in no context")
        for hour in HOURS:
            answer = server.get(f"/api/recommend/u1?n=20&context.hour={hour}")[1]
            near(answer["items"], ask(server.model, "--user", "u1", "--context", f"hour={hour}"), hour)
            equal(answer["items"] != plain["items"], True, f"{hour} matters")
            first = answer["items"][0]
            scored = server.post(f"/api/score?context.hour={hour}", {"UserId": "u1", "Items": [first["id"]]})[1]
            equal(scored["items"][0]["score"], first["score"], "scores in a context")
            explained = server.get(f"/api/explain/u1/{first['id']}?context.hour={hour}")[1]
            equal(explained["score"], first["score"], "reasons in a context")
        unknown = server.get("/api/recommend/u1?n=20&context.hour=midnight")[1]
        equal((unknown["items"], unknown["unknown_context"]), (plain["items"], 1), "a value that it does not know")
        refused(server.get("/api/recommend/u1?context.place=home"), 400, "parameter", "hour")
        nobody = server.get("/api/recommend/nobody?n=20&context.hour=noon")[1]
        equal((nobody["source"], "reason" in nobody), ("context", False), "nobody, at noon")
        equal(server.get("/api/recommend/nobody")[1]["source"], "popularity", "nobody, at no time")


def test_features():
    with Server() as server:
        server.stop()
        server.model = train(server.folder)
        server.start()
        attributes = {"gender": "F", "age": 31.5, "shoes": "red"}
        asked = ("--features", "gender=F,age=31.5")
        server.post("/api/user", {"UserId": "new", "Attributes": attributes})
        cold = server.get("/api/recommend/new?n=20")[1]
        equal((cold["source"], cold["history"], "reason" in cold), ("features", 0, False), "features and no event")
        session = server.post("/api/session/recommend?n=20", {"Attributes": attributes})[1]
        equal((session["source"], session["items"]), ("features", cold["items"]), "the same of a session")
        server.json("PATCH", "/api/user/new", {"Attributes": {"gender": "M"}})
        equal(server.get("/api/recommend/new?n=20")[1]["items"] != cold["items"], True, "they matter")
        server.json("PATCH", "/api/user/new", {"Attributes": {"gender": "F"}})
        server.post("/api/feedback", [{"UserId": "new", "ItemId": item, "Context": {"hour": "noon"}} for item in ("i1", "i4")])
        warm = server.get("/api/recommend/new?n=20")[1]
        equal((warm["source"], warm["history"]), ("model", 2), "with events")
        near(warm["items"], ask(server.model, "--history", "i1,i4", *asked), "his row with his features")
        # a user of the model keeps his features when his row is solved anew
        history = sorted({f"i{i}" for i in range(20)} -
                         {entry["id"] for entry in server.get("/api/recommend/u2?n=20")[1]["items"]})
        new = next(f"i{i}" for i in range(20) if f"i{i}" not in history)
        server.post("/api/feedback", [{"UserId": "u2", "ItemId": new}])
        near(server.get("/api/recommend/u2?n=20")[1]["items"],
             ask(server.model, "--history", ",".join(sorted(history + [new])), "--features", "gender=F,age=23"), "u2, live")


main(globals())
