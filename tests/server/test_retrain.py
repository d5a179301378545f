# SPDX-License-Identifier: Apache-2.0
"""The model in use and how it is replaced: retraining, swaps, rollback, and what goes wrong with them."""
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from harness import Server, equal, eventually, events, main, refused, run, train

NOW = 1700000000


class Folder:
    """A folder of the test's own, gone afterwards."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="topn-retrain-"))
        return self.path

    def __exit__(self, kind, value, trace):
        shutil.rmtree(self.path, ignore_errors=True)


def send(server, pairs, start=NOW):
    """Inserts events one second after the other."""
    body = [{"UserId": who, "ItemId": what, "FeedbackType": "click", "Timestamp": start + at}
            for at, (who, what) in enumerate(pairs)]
    for at in range(0, len(body), 500):
        status, answer = server.post("/api/feedback", body[at:at + 500])
        equal(status, 200, answer)


def logged(text):
    """Pairs of lines "user,item"."""
    return [tuple(line.split(",")) for line in text.split()]


def later(users=40, items=30, seed=7, count=900, prefix="i"):
    """New events that follow the habits of events(): the first items more often."""
    draw = random.Random(seed)
    return [(f"u{draw.randrange(users)}", f"{prefix}{min(int(draw.expovariate(0.12)), items - 1)}") for _ in range(count)]


def contents(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state(server):
    return server.get("/api/admin/retrain")[1]


def retrain(server, wishes=""):
    """Asks for a training and waits for its end; its state."""
    status, answer = server.ask("POST", f"/api/admin/retrain{wishes}")[0::2]
    equal(status, 202, answer)
    eventually(lambda: state(server)["state"] != "running", "the end of the training")
    return state(server)


def post(server, path):
    return server.json("POST", path)


def version(server):
    return server.get("/api/model")[1]["model"]


def children(server):
    """Processes that the server has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if ".new" in path.name)


def fill(server, items=30):
    """The log that the model was trained on, and events after it."""
    send(server, logged(events()))
    send(server, later(items=items), NOW + 100000)


def test_model_info():
    with Server() as server:
        status, answer = server.get("/api/model")
        equal(status, 200)
        equal((answer["items"], answer["users"], answer["generation"]), (30, 40, 1), "counts")
        equal(answer["metadata"]["method"], "ease", "method")
        equal(answer["retriever"], "exact", "retriever")
        if not answer["model"].startswith("ease-") or "l2" not in answer["options"]:
            raise AssertionError(answer)


def test_retrained_model_takes_over():
    with Server() as server:
        before, old = version(server), contents(server.model)
        fill(server)
        ended = retrain(server)
        equal(ended["state"], "swapped", ended)
        if ended["before"] is None or ended["after"] < ended["before"] * 0.99:
            raise AssertionError(ended)
        answer = server.get("/api/model")[1]
        equal(answer["generation"], 2, "generation")
        if answer["model"] == before or "ndcg@20" not in answer["metrics"]:
            raise AssertionError(answer)
        equal(contents(server.model.with_name("model.previous")), old, "the model before")
        equal(leftovers(server.folder), [], "left behind")
        new = contents(server.model)
        if new == old:
            raise AssertionError("the file is the old one")
        # A restart serves what is in use, and a rollback goes back on disk, too.
        status, answer = post(server, "/api/admin/rollback")
        equal((status, answer["model"]), (200, before), "rollback")
        equal((contents(server.model), contents(server.model.with_name("model.previous"))), (old, new), "files")
        status, answer = post(server, "/api/admin/rollback")
        equal((status, contents(server.model)), (200, new), "the rollback taken back")
        in_use = version(server)
        server.stop()
        server.start(server.options)
        equal(version(server), in_use, "after a restart")


def test_events_count_once():
    """A retrained model's histories hold the store's events: live answers are the same before and after it."""
    with Server() as server:
        fill(server)
        send(server, [("u0", "i29"), ("newcomer", "i3"), ("newcomer", "i5")], NOW + 300000)
        equal(retrain(server)["state"], "swapped", state(server))
        status, answer = server.get("/api/recommend/newcomer?n=30")
        equal(status, 200, answer)
        named = [item["id"] for item in answer["items"]]
        if "i3" in named or "i5" in named or not named:
            raise AssertionError(answer)
        equal(server.ask("DELETE", "/api/feedback/newcomer/i3")[0], 200, "deletion")
        named = [item["id"] for item in server.get("/api/recommend/newcomer?n=30")[1]["items"]]
        if "i3" not in named or "i5" in named:
            raise AssertionError(named)


def test_new_items_keep_histories_by_id():
    """A model with other items, in another order: users' histories go by id."""
    with Server() as server:
        fill(server)
        send(server, later(seed=9, prefix="a", items=12), NOW + 200000)  # ids that sort before the old ones
        equal(retrain(server)["state"], "swapped", state(server))
        equal(server.get("/api/model")[1]["items"], 42, "items")
        seen = {pair[1] for pair in logged(events()) + later() + later(seed=9, prefix="a", items=12) if pair[0] == "u1"}
        answer = server.get("/api/recommend/u1?n=42")[1]
        named = {item["id"] for item in answer["items"]}
        equal(named & seen, set(), "items seen")
        equal(len(named | seen), 42, "all others")


def test_titles_of_the_store_go_into_the_model():
    """A title that the store knows, of an item that only its events know, stands in the new model's file."""
    with Server() as server:
        fill(server)
        equal(server.post("/api/item", {"ItemId": "fresh", "Title": 'A "new", one'})[0], 200, "the item")
        send(server, [(f"u{at}", "fresh") for at in range(30)], NOW + 50000)
        equal(retrain(server)["state"], "swapped", state(server))
        listed = run("recommend", server.model, "--history", "i0", "-n", "31", "--format", "json")[0]
        if json.dumps('A "new", one') not in listed:
            raise AssertionError(listed)


def test_too_little_to_judge_by():
    with Server() as server:
        before = version(server)
        send(server, logged(events()))
        ended = retrain(server)
        equal(ended["state"], "worse", ended)
        if "to judge by" not in ended["message"] or "topn: " in ended["message"]:
            raise AssertionError(ended)
        equal(version(server), before, "the model in use")
        if server.model.with_name("model.previous").exists():
            raise AssertionError("a model was replaced")


def test_missing_log_is_refused():
    with Server() as server:
        send(server, later(count=60))
        ended = retrain(server)
        equal(ended["state"], "failed", ended)
        for word in ("events import", "was trained on"):
            if word not in ended["message"]:
                raise AssertionError(ended)
        refused(post(server, "/api/admin/retrain?force=perhaps"), 400, "parameter", "perhaps")
        equal(retrain(server, "?force=true")["state"], "swapped", state(server))
        equal(retrain(server)["state"], "worse", state(server))  # forced once, not for good


def test_worse_model_is_refused():
    """The new model learns from events without sense: it must not take over."""
    with Folder() as folder, Server(["--retrain-margin", "0"], train(folder, "popularity", events(items=60))) as server:
        before, old = version(server), contents(server.model)
        send(server, logged(events(items=60)))
        draw = random.Random(3)
        noise = [(f"n{draw.randrange(300)}", f"i{draw.randrange(45, 60)}") for _ in range(1500)]
        send(server, noise, NOW + 1000)
        send(server, later(count=600), NOW + 100000)
        ended = retrain(server)
        equal(ended["state"], "worse", ended)
        if not ended["after"] < ended["before"] or "is worse" not in ended["message"]:
            raise AssertionError(ended)
        equal((version(server), contents(server.model)), (before, old), "the model in use")
        equal(leftovers(folder), [], "left behind")
        metrics = server.ask("GET", "/metrics")[2].decode()
        if "topn_retrain_worse_total 1\n" not in metrics:
            raise AssertionError(metrics)


def slow_to_train(folder):
    """A model of four events and many factors: trained at once, but not on a store with hundreds of users."""
    return train(folder, "ials", "a,i0\na,i1\nb,i1\nb,i2\n", ["--factors", "128", "--block", "0", "--sweeps", "60"])


def start_long_training(server):
    send(server, logged(events(users=300)))
    equal(server.ask("POST", "/api/admin/retrain")[0], 202, "asked")
    eventually(lambda: children(server), "the training's process")
    return children(server)[0]


def test_killed_training():
    with Folder() as folder:
        model = slow_to_train(folder)
        with Server(model=model) as server:
            before, old = version(server), contents(model)
            child = start_long_training(server)
            refused(post(server, "/api/admin/retrain"), 409, "busy")
            os.kill(child, signal.SIGKILL)
            eventually(lambda: state(server)["state"] != "running", "the end of the training")
            ended = state(server)
            equal(ended["state"], "failed", ended)
            if "signal 9" not in ended["message"]:
                raise AssertionError(ended)
            equal((version(server), contents(model)), (before, old), "the model in use")
            equal(server.get("/api/recommend/u1")[0], 200, "answers go on")
            equal(leftovers(folder), [], "left behind")


def test_stop_ends_a_training():
    with Folder() as folder:
        model = slow_to_train(folder)
        with Server(model=model) as server:
            old = contents(model)
            child = start_long_training(server)
            server.stop()
            equal(alive(child), False, "the training's process")
            equal(contents(model), old, "the model's file")
            equal(leftovers(folder), [], "left behind")


def test_killed_server_takes_its_training_along():
    with Folder() as folder:
        model = slow_to_train(folder)
        with Server(model=model) as server:
            old = contents(model)
            child = start_long_training(server)
            server.kill()
            eventually(lambda: not alive(child), "the end of the training's process")
            equal(contents(model), old, "the model's file")


def kill_when(server, folder, happens, delay):
    """Asks for a training, waits for a file of it to be there, and kills the server so many seconds later."""
    equal(server.ask("POST", "/api/admin/retrain")[0], 202, "asked")
    end = time.monotonic() + 1.5
    while not happens() and time.monotonic() < end:
        time.sleep(0.0005)
    time.sleep(delay)
    found = children(server)
    server.kill()
    for child in found:
        eventually(lambda child=child: not alive(child), "the end of the training's process")


def test_killed_while_saving():
    """Whenever the server is killed: the model is a whole file, the old one or the new one, and a restart serves it."""
    draw = random.Random(11)
    with Folder() as folder:
        model = train(folder, text=events(items=400))
        server = Server(["--retrain-margin", "1"], model, folder)
        try:
            send(server, logged(events(items=400)))
            waits = [lambda: any(".new" in path.name for path in folder.iterdir()),
                     lambda: any(".part" in path.name for path in folder.iterdir()),
                     lambda: folder.joinpath("model.new").exists(),
                     lambda: folder.joinpath("model.previous").exists()]
            for turn in range(12):
                send(server, later(users=400, items=400, seed=turn, count=200), NOW + 100000 * (turn + 1))
                kill_when(server, folder, waits[turn % len(waits)], draw.choice([0, 0, 0.002, 0.01, 0.05]))
                run("inspect", model)
                server.errors.close()
                server.process.stdout.close()
                server.start(server.options)
                equal(server.get("/api/recommend/u1")[0], 200, "answers go on")
            send(server, later(users=400, items=400, seed=99, count=400), NOW + 2000000)
            ended = retrain(server)
            equal(ended["state"], "swapped", ended)
            equal(leftovers(folder), [], "left behind")
            server.stop()
        finally:
            server.kill()
            server.errors.close()


def damaged(path, folder):
    bytes_ = bytearray(path.read_bytes())
    bytes_[-5] ^= 1
    broken = folder / "broken"
    broken.write_bytes(bytes_)
    return broken


def test_bad_files_are_refused():
    with Folder() as folder:
        model = train(folder)
        with Server(model=model, folder=folder) as server:
            before = version(server)
            broken = damaged(model, folder)
            refused(post(server, f"/api/admin/swap?path={broken}"), 422, "model", str(broken))
            refused(post(server, f"/api/admin/swap?path={folder / 'nothing'}"), 422, "model", "nothing")
            data = folder / "model.csv"
            refused(post(server, f"/api/admin/swap?path={data}"), 422, "model", str(data))
            refused(post(server, "/api/admin/rollback"), 422, "model", "no model before")
            kept = model.read_bytes()
            os.replace(broken, model)
            server.signal(signal.SIGHUP)
            eventually(lambda: "the model in use stays" in server.log(), "the reason in the log")
            refused(post(server, "/api/admin/swap"), 422, "model", str(model))
            model.unlink()
            server.signal(signal.SIGHUP)
            eventually(lambda: server.log().count("the model in use stays") > 1, "the reason in the log")
            equal(version(server), before, "the model in use")
            equal(server.get("/api/recommend/u1")[0], 200, "answers go on")
            model.write_bytes(kept)
            equal(post(server, "/api/admin/swap")[0], 200, "the file put right")
            equal(version(server), before, "version of the same contents")
            equal(server.get("/api/model")[1]["swaps"], {"done": 1, "refused": 6, "rolled_back": 0}, "swaps")


def test_no_request_fails_during_swaps():
    with Folder() as folder:
        first = train(folder)
        second = train(folder, "chol", events(items=25, seed=2), name="second")
        with Server(model=first, folder=folder) as server:
            faults, counts, stop = [], [0, 0, 0], threading.Event()

            def ask(number):
                connection = server.connection()
                while not stop.is_set():
                    status, _, answer = server.ask("GET", f"/api/recommend/u{counts[number] % 40}?n=5",
                                                   connection=connection)
                    counts[number] += 1
                    if status != 200 or len(json.loads(answer)["items"]) != 5:
                        faults.append((status, answer))
                connection.close()

            threads = [threading.Thread(target=ask, args=[number]) for number in range(len(counts))]
            for thread in threads:
                thread.start()
            try:
                for swap in range(50):
                    status, answer = post(server, f"/api/admin/swap?path={[second, first][swap % 2]}")
                    equal(status, 200, answer)
                    if swap % 10 == 9:
                        equal(post(server, "/api/admin/rollback")[0], 200, "rollback")
                        equal(post(server, "/api/admin/rollback")[0], 200, "rollback")
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            equal(faults[:3], [], "requests that failed")
            if min(counts) < 10:
                raise AssertionError(counts)
            equal(server.get("/api/model")[1]["generation"], 51, "generation")


def test_trains_by_itself():
    with Server(["--retrain-every", "1s"]) as server:
        fill(server)
        eventually(lambda: state(server)["swapped"] > 0, "a training by the clock")
        equal(server.get("/api/recommend/u1")[0], 200, "answers go on")


if __name__ == "__main__":
    main(globals())
