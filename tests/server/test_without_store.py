#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""While the store does not answer, recommendations go on with what the model knows and say so; afterwards all is as before."""
import signal
import sys

from harness import SKIPPED, Server, equal, eventually, main, train
from postgres import Postgres, programs


def always(server, stale):
    """Every worker has noticed: a long row of answers says so."""
    return all(("stale" in server.get("/api/recommend/u1")[1]) == stale for _ in range(20))


def test_stale():
    if not programs():
        print("skipped: PostgreSQL is not installed")
        sys.exit(SKIPPED)
    with Postgres() as database, Server() as server:
        server.stop()
        server.model = train(server.folder, "ials", options=("--factors", "8", "--sweeps", "3"), name="solved")
        server.start(["--store", database.address, "--workers", "2"])
        trained = server.get("/api/recommend/u1?n=30")[1]
        hidden = trained["items"][1]["id"]
        server.post("/api/item", {"ItemId": hidden, "IsHidden": True})
        server.post("/api/feedback", [{"UserId": "u1", "ItemId": trained["items"][0]["id"]}])
        live = server.get("/api/recommend/u1?n=30")[1]
        equal((live["live"], live["filtered"], "stale" in live), (True, 1, False), "while it answers")

        database.end(signal.SIGQUIT)
        eventually(lambda: always(server, True), "every worker misses the store")
        answer = server.get("/api/recommend/u1?n=30")[1]
        equal((answer["stale"], answer["source"], answer["live"], answer["filtered"]), (True, "model", False, 1), "without")
        equal(answer["items"], [entry for entry in trained["items"] if entry["id"] != hidden], "his trained row, nothing hidden")
        nobody = server.get("/api/recommend/nobody?n=3")[1]
        equal((nobody["stale"], nobody["source"]), (True, "popularity"), "nobody")
        equal(server.get("/api/item/i3/neighbors")[0], 200, "neighbors need no store")
        for status, answer in (server.post("/api/feedback", [{"UserId": "u1", "ItemId": "i1"}]),
                               server.post("/api/item", {"ItemId": "i1"}), server.get("/api/feedback/u1")):
            equal((status, answer["error"]["code"]), (503, "store-unavailable"), "what needs it")

        database.start()
        eventually(lambda: always(server, False), "the store answers again")
        equal(server.get("/api/recommend/u1?n=30")[1], live, "as before")


main(globals())
