#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Items and users over HTTP: as they are put they come back, and filters, hidden items and titles are in the next answer."""
from harness import Server, equal, eventually, main, refused, run

ATTRIBUTES = "item,genre,year\n" + "".join(
    f"i{item},{('drama', 'comedy', 'western')[item % 3]},{1990 + item}\n" for item in range(30))


def ids(answer):
    return [entry["id"] for entry in answer["items"]]


def test_round_trip():
    full = {"ItemId": "i1", "IsHidden": True, "Title": "Der Äpfel \"Zweiter\"", "Labels": ["a", "b"],
            "Categories": ["c"], "Timestamp": "2026-01-02T03:04:05Z", "Comment": "none",
            "Attributes": {"genre": ["drama", "western"], "year": 1999, "price": 2.5, "new": True}}
    user = {"UserId": "ü/1", "Labels": ["x"], "Subscribe": ["s"], "Comment": "c", "Attributes": {"age": 30}}
    with Server() as server:
        equal(server.post("/api/item", full), (200, {"RowAffected": 1}), "put")
        equal(server.get("/api/item/i1"), (200, full), "item")
        equal(server.post("/api/user", user), (200, {"RowAffected": 1}), "put")
        equal(server.get("/api/user/%C3%BC%2F1"), (200, user), "user")
        equal(server.json("PATCH", "/api/item/i1", {"IsHidden": False, "Labels": None, "Attributes": {"year": 2000}})[0],
              200, "PATCH")
        changed = dict(full, IsHidden=False, Attributes=dict(full["Attributes"], year=2000))
        del changed["Labels"]
        equal(server.get("/api/item/i1"), (200, changed), "patched")
        # gorse's labels as an object are attributes
        server.post("/api/item", {"ItemId": "i1", "Labels": {"genre": "drama", "tags": ["x"]}, "Categories": None})
        equal(server.get("/api/item/i1")[1],
              {"ItemId": "i1", "IsHidden": False, "Title": None, "Attributes": {"genre": "drama", "tags": ["x"]}}, "labels")
        server.json("PATCH", "/api/item/fresh", {"Title": "Fresh"})
        equal(server.get("/api/item/fresh")[1]["Title"], "Fresh", "PATCH makes what is not there")


def test_pages():
    with Server(["--max-batch", "50"]) as server:
        names = sorted(f"item-{number}" for number in range(45))
        equal(server.post("/api/items", [{"ItemId": name} for name in reversed(names)])[1], {"RowAffected": 45}, "many")
        found, cursor = [], ""
        for _ in range(3):
            page = server.get(f"/api/items?n=20&cursor={cursor}")[1]
            found += [entry["ItemId"] for entry in page["Items"]]
            cursor = page["Cursor"]
        equal((found, cursor), (names, ""), "all pages")
        equal(server.post("/api/users", [{"UserId": "b"}, {"UserId": "a"}])[0], 200, "users")
        equal([entry["UserId"] for entry in server.get("/api/users")[1]["Users"]], ["a", "b"], "users")
        refused(server.post("/api/items", [{"ItemId": "x"}] * 51), 413, "batch", "--max-batch")
        refused(server.get("/api/items?n=1001"), 400, "parameter", "n")
        # one that is wrong leaves out all
        refused(server.post("/api/items", [{"ItemId": "good"}, {"ItemId": "bad", "Timestamp": "x"}]), 400, "body", "[1].")
        refused(server.get("/api/item/good"), 404, "not-found")


def test_hidden():
    with Server() as server:
        first = ids(server.get("/api/recommend/u0?n=3")[1])
        server.post("/api/item", {"ItemId": first[1], "IsHidden": True})
        answer = server.get("/api/recommend/u0?n=2")[1]
        equal((ids(answer), answer["filtered"]), ([first[0], first[2]], 1), "hidden at once")
        for path in ("/api/popular?n=30", "/api/recommend/nobody?n=30", "/api/item/i29/neighbors?n=30"):
            equal(first[1] in ids(server.get(path)[1]), False, path)
        server.json("PATCH", f"/api/item/{first[1]}", {"IsHidden": False})
        equal(ids(server.get("/api/recommend/u0?n=3")[1]), first, "shown again")
        # a deleted item is not recommended either, and is not there
        equal(server.json("DELETE", f"/api/item/{first[0]}"), (200, {"RowAffected": 1}), "DELETE")
        equal(ids(server.get("/api/recommend/u0?n=2")[1]), first[1:], "deleted")
        refused(server.get(f"/api/item/{first[0]}"), 404, "not-found", first[0])
        equal(first[0] in [entry["ItemId"] for entry in server.get("/api/items")[1]["Items"]], False, "not in lists")
        server.post("/api/item", {"ItemId": first[0], "Title": "Back"})
        answer = server.get("/api/recommend/u0?n=3")[1]
        equal((ids(answer), answer["items"][0]["title"]), (first, "Back"), "put again, with its title")


def test_filters():
    with Server() as server:
        side = server.folder / "items.csv"
        side.write_text(ATTRIBUTES, encoding="utf-8")
        server.stop()
        server.start(["--item-attributes", side])
        everything = ids(server.get("/api/recommend/u0?n=30")[1])
        for expression, holds in (("genre%3Ddrama", lambda i: i % 3 == 0), ("year%3E%3D2005", lambda i: i >= 15),
                                  ("genre%3Ddrama+AND+NOT+year%3C2000", lambda i: i % 3 == 0 and i >= 10)):
            wanted = [item for item in everything if holds(int(item[1:]))]
            for _ in range(2):  # compiled, and kept
                answer = server.get(f"/api/recommend/u0?n=30&filter={expression}")[1]
                equal((ids(answer), answer["filtered"]), (wanted, 30 - sum(map(holds, range(30)))), expression)
            popular = ids(server.get(f"/api/recommend/nobody?n=30&filter={expression}")[1])
            equal(sorted(popular), sorted(f"i{i}" for i in range(30) if holds(i)), "the fallback under the same filter")
        refused(server.get("/api/recommend/u0?filter=gender%3Ddrama"), 400, "parameter", "genre")
        refused(server.get("/api/recommend/u0?filter=genre%3D"), 400, "parameter", "filter")
        refused(server.get("/api/recommend/u0?filter=" + "NOT+" * 1100 + "genre%3Ddrama"), 400, "parameter", "bytes")
        # the store's attributes are known at once, in place of the file's, and hidden items stay so
        server.post("/api/item", {"ItemId": "i3", "Attributes": {"genre": ["western", "classic"]}})
        server.post("/api/item", {"ItemId": "i4", "IsHidden": True, "Attributes": {"genre": "classic"}})
        answer = server.get("/api/popular?n=30&filter=genre%3Dclassic")[1]
        equal((ids(answer), answer["filtered"]), (["i3"], 29), "of the store")
        equal("i3" in ids(server.get("/api/popular?n=30&filter=genre%3Ddrama")[1]), False, "in place of the file's")


def test_wrong_side_files():
    with Server() as server:
        side = server.folder / "items.csv"
        for text, fault in ((None, "items.csv"), ("item,year\ni1,1990,7,8\n", "items.csv:2")):
            if text:
                side.write_text(text, encoding="utf-8")
            _, said = run("serve", server.model, "--port", "0", "--item-attributes", side, code=1)
            equal(fault in said, True, said)


def test_two_servers():
    """What one server is told of items, another on the same store knows soon."""
    with Server() as server:
        with Server(["--store", f"{server.model}.events"], model=server.model) as other:
            first = ids(other.get("/api/popular?n=2")[1])
            server.post("/api/item", {"ItemId": first[0], "IsHidden": True})
            eventually(lambda: ids(other.get("/api/popular?n=1")[1]) == [first[1]], "the other hides it")
            server.post("/api/feedback", [{"UserId": "both", "ItemId": "i1"}])
            equal(other.get("/api/recommend/both")[1]["history"], 1, "events at once")


def test_diversity():
    with Server() as server:
        plain = server.get("/api/recommend/u0?n=10")[1]
        equal(server.get("/api/recommend/u0?n=10&diversity=0")[1], plain, "0 keeps the order")
        diverse = server.get("/api/recommend/u0?n=10&diversity=0.9")[1]
        equal(ids(diverse)[0], ids(plain)[0], "the best stays first")
        equal(ids(diverse) != ids(plain), True, "others change")
        scores = {entry["id"]: entry["score"] for entry in server.get("/api/recommend/u0?n=30")[1]["items"]}
        equal([entry["score"] for entry in diverse["items"]], [scores[item] for item in ids(diverse)], "scores stay")
        refused(server.get("/api/recommend/u0?n=201&diversity=0.5"), 400, "parameter", "200")


def test_faults():
    with Server() as server:
        for path, key in (("item", "ItemId"), ("user", "UserId")):
            for body, text in (({}, f'"{key}" is missing'), ({key: ""}, key), ({key: 3}, key), ({key: "x" * 256}, key),
                               ({key: "a", "Attributes": {"a": None}}, "Attributes.a"),
                               ({key: "a", "Attributes": {"a": [[]]}}, "Attributes.a[0]"),
                               ({key: "a", "Attributes": {"": 1}}, "without a name"),
                               ({key: "a", "Attributes": {"a": "x" * 1001}}, "Attributes.a"),
                               ({key: "a", "Attributes": {"Labels": "x"}}, "Attributes.Labels"),
                               ({key: "a", "Labels": 3}, "Labels"), ({key: "a", "Extra": 3}, '"Extra"'),
                               ([], "an object")):
                refused(server.post(f"/api/{path}", body), 400, "body", text)
            refused(server.json("PATCH", f"/api/{path}/a", {key: "b"}), 400, "body", f'"{key}"')
            refused(server.post(f"/api/{path}s", [{key: "a"}, {key: "b", "Comment": 3}]), 400, "body", "[1].Comment")
            equal(server.get(f"/api/{path}s")[1][f"{path.title()}s"], [], "nothing of these was written")
        refused(server.post("/api/item", {"ItemId": "a", "IsHidden": "no"}), 400, "body", "IsHidden")
        refused(server.post("/api/item", {"ItemId": "a", "Timestamp": "2026-02-30"}), 400, "body", "Timestamp")


main(globals())
