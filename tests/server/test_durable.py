#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Acknowledged means on disk: servers killed, disks full, PostgreSQL stopped, restarted and crashed, two servers on one
store."""
import http.client
import resource
import signal
import threading
import time

from harness import Server, equal, eventually, main, refused, run
from postgres import Postgres, programs


class Sender(threading.Thread):
    """Posts one event after the other until told to stop; remembers which were acknowledged, and what else came."""

    def __init__(self, server, name, keyed=False):
        super().__init__(daemon=True)
        self.server, self.name, self.keyed = server, name, keyed
        self.acknowledged, self.refused, self.sent, self.stop = [], [], 0, False
        self.start()

    def run(self):
        connection = self.server.connection()
        while not self.stop:
            item = f"{self.name}-{self.sent}"
            headers = {"Idempotency-Key": item} if self.keyed else {}
            try:
                status, answer = self.server.json("POST", "/api/feedback", [{"UserId": self.name, "ItemId": item}], headers,
                                                  connection)
            except (OSError, http.client.HTTPException):
                if not self.keyed:
                    return
                time.sleep(0.01)
                connection = self.server.connection()
                continue
            if status == 200:
                self.acknowledged.append(item)
                self.sent += 1
            else:
                self.refused.append((status, answer["error"]["code"]))
                time.sleep(0.01)
                self.sent += not self.keyed

    def end(self):
        self.stop = True
        self.join()


def stored(where):
    """How often each item is in the store."""
    counts = {}
    for line in run("events", "export", where, "--quiet")[0].splitlines()[1:]:
        item = line.split(",")[1]
        counts[item] = counts.get(item, 0) + 1
    return counts


def check(where, senders, exactly_once=True):
    """Everything acknowledged is there, once."""
    counts = stored(where)
    for sender in senders:
        missing = [item for item in sender.acknowledged if counts.get(item, 0) < 1]
        equal(missing, [], "acknowledged and lost")
    if exactly_once:
        equal({item: count for item, count in counts.items() if count > 1}, {}, "written twice")
    return counts


def test_killed():
    with Server() as server:
        senders = []
        for round in range(5):
            now = [Sender(server, f"s{round}.{i}") for i in range(4)]
            eventually(lambda: sum(len(sender.acknowledged) for sender in now) > 20 * round, "acknowledgements")
            server.process.kill()
            server.process.wait()
            server.process.stdout.close()
            for sender in now:
                sender.end()
            senders += now
            check(str(server.model) + ".events", senders)
            server.start()
        equal(server.get("/api/health/ready")[0], 200, "ready after it was killed")


def test_stopped_in_order():
    """SIGTERM: who was answered is stored, who was refused is not, and nobody is left without an answer."""
    with Server() as server:
        senders = [Sender(server, f"s{i}") for i in range(4)]
        eventually(lambda: all(len(sender.acknowledged) > 10 for sender in senders), "acknowledgements")
        server.stop()
        for sender in senders:
            sender.end()
        counts = check(str(server.model) + ".events", senders)
        equal(sum(counts.values()) - sum(len(sender.acknowledged) for sender in senders) <= len(senders), True,
              "at most the last one of each without an answer")
        server.start()


def test_full_disk():
    with Server() as server:
        before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        sender = Sender(server, "s")
        eventually(lambda: len(sender.acknowledged) > 5, "acknowledgements")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1 << 18, before[1]))
        eventually(lambda: len(sender.refused) > 5, "refusals")
        equal(server.get("/api/recommend/u3")[0], 200, "answers go on")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
        seen = len(sender.acknowledged)
        eventually(lambda: len(sender.acknowledged) > seen + 5, "acknowledgements when there is space")
        sender.end()
        equal({status for status, _ in sender.refused} <= {503, 507}, True, str(set(sender.refused)))
        counts = check(str(server.model) + ".events", [sender])
        equal(len(counts), len(sender.acknowledged), "what was refused is not written")


def test_postgres_comes_and_goes():
    if not programs():
        print("skipped: the part on PostgreSQL, which is not installed (script/setup test)")
        return
    with Postgres() as postgres, Server(["--store", postgres.address]) as server:
        senders = [Sender(server, f"s{i}", keyed=i > 1) for i in range(4)]
        for number in (signal.SIGINT, signal.SIGQUIT):
            seen = [len(sender.acknowledged) for sender in senders]
            eventually(lambda: all(len(s.acknowledged) > n + 5 for s, n in zip(senders, seen)), "acknowledgements")
            postgres.end(number)
            seen = [len(sender.refused) for sender in senders]
            eventually(lambda: all(len(s.refused) > n for s, n in zip(senders, seen)), "refusals")
            status, answer = server.get("/api/recommend/u3")
            if status not in (200, 503):
                raise AssertionError(f"{status}: {answer}")
            equal(server.get("/api/health/live")[0], 200, "alive")
            postgres.start()
        seen = [len(sender.acknowledged) for sender in senders]
        eventually(lambda: all(len(s.acknowledged) > n + 5 for s, n in zip(senders, seen)), "acknowledgements at the end")
        eventually(lambda: server.get("/api/recommend/u3")[0] == 200, "answers")
        for sender in senders:
            sender.end()
        check(postgres.address, senders)
        for sender in senders:
            equal({status for status, _ in sender.refused} <= {503}, True, str(set(sender.refused)))


def test_two_servers_on_one_store():
    if not programs():
        print("skipped: the part on PostgreSQL, which is not installed (script/setup test)")
        return
    with Postgres() as postgres, Server(["--store", postgres.address]) as one:
        with Server(["--store", postgres.address], model=one.model) as two:
            body = [{"UserId": "new", "ItemId": "i4"}]
            key = {"Idempotency-Key": "k"}
            equal(one.post("/api/feedback", body, key)[1]["repeated"], False, "first")
            equal(two.post("/api/feedback", body, key)[1]["repeated"], True, "the same by the other server")
            equal(two.post("/api/feedback", [{"UserId": "new", "ItemId": "i5"}], key)[0], 409, "other contents")
            equal(two.get("/api/recommend/new")[1]["source"], "model", "what one was told the other knows")
            senders = [Sender(server, f"s{i}") for i, server in enumerate((one, two, one, two))]
            eventually(lambda: all(len(sender.acknowledged) > 20 for sender in senders), "acknowledgements")
            for sender in senders:
                sender.end()
            counts = check(postgres.address, senders)
            equal(sum(counts.values()), 1 + sum(len(sender.acknowledged) for sender in senders), "events")
            equal(one.json("DELETE", "/api/feedback/new/i4")[0], 200, "DELETE")
        # from one kind of store to the other and back
        everything = one.folder / "all.csv"
        run("events", "export", postgres.address, "--all", "-o", everything)
        run("events", "import", one.folder / "copy.events", everything)
        equal(run("events", "export", one.folder / "copy.events", "--all")[0], everything.read_text(), "copied")
        equal(run("events", "expire", postgres.address, "--before", "2100-01-01")[0], "", "expire")
        run("events", "import", postgres.address, everything)
        equal(run("events", "export", postgres.address, "--all")[0], everything.read_text(), "and back")


main(globals())
