#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The page at /, in a real browser: looking for items and users, lists with reasons, filters, events, keys, figures."""
import pathlib
import tempfile

from browser import Browser, needed
from harness import Server, equal, events, eventually, main, run

HOSTILE = "<img src=x onerror=document.title='broken'>"


def titled_model(folder):
    """A model with titles and attributes, one title of them markup."""
    data, titles, attributes, model = (folder / name for name in ("data.csv", "titles.csv", "items.csv", "model"))
    data.write_text("user,item\n" + events(), encoding="utf-8")
    titles.write_text("item,title\n" + "".join(f"i{i},{HOSTILE if i == 1 else f'Film {i}'}\n" for i in range(30)),
                      encoding="utf-8")
    attributes.write_text("item,genre\n" + "".join(f"i{i},{'Drama' if i % 2 else 'Comedy'}\n" for i in range(30)),
                          encoding="utf-8")
    run("train", "ease", data, "--titles", titles, "--item-features", attributes, "-o", model, "--quiet")
    return model


def items_of(answer):
    return [item["id"] for item in answer["items"]]


def shown(browser):
    """Ids of the list on the page: what stands in parentheses behind the title."""
    return [text.rsplit("(", 1)[1].rstrip(")") for text in browser.texts("#list tbody td:nth-child(2) a")]


def test_page():
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        with Server(model=titled_model(pathlib.Path(folder))) as server:
            popular = items_of(server.get("/api/popular?n=20")[1])
            browser.open(server.url + "/")
            eventually(lambda: shown(browser) == popular, "the popular items")
            browser.waits("#model", lambda text: "ease-" in text, "the model's version")

            browser.type("#text", "u1\ue007")
            browser.waits("#found", lambda text: "u1" in text and "u10" in text, "users found by a part of their id")
            browser.click("#found a")
            browser.waits("#what", lambda text: text == "Recommended to u1", "the user's list")
            wanted = server.get("/api/recommend/u1?n=20&explain=true")[1]
            eventually(lambda: shown(browser) == items_of(wanted), "the recommendations")
            reason = wanted["items"][0]["because"][0]["id"]
            equal(f"({reason})" in browser.text("#list tbody tr td:nth-child(4)"), True, "reasons")

            browser.type("#filter", "genre=Drama\ue007")
            drama = items_of(server.get("/api/recommend/u1?n=20&filter=genre%3DDrama")[1])
            eventually(lambda: shown(browser) == drama, "the filtered list")
            browser.type("#filter", "gerne=Drama\ue007")
            browser.waits("#fault", lambda text: "genre" in text, "the server's message on a wrong filter")
            browser.type("#filter", "\ue007")

            status, _ = server.post("/api/feedback", [{"FeedbackType": "click", "UserId": "u1", "ItemId": drama[0]}])
            equal(status, 200, "an event")
            browser.click("form button")
            eventually(lambda: shown(browser) and drama[0] not in shown(browser), "an event changes the list")
            browser.waits("#history", lambda text: drama[0] in text, "the event is shown")

            browser.type("#text", "Film 7\ue007")
            browser.waits("#found", lambda text: "Film 7 (i7)" in text, "an item found by its title")
            browser.click("#found a")
            browser.waits("#what", lambda text: text == "Similar to i7", "similar items")
            eventually(lambda: shown(browser) == items_of(server.get("/api/item/i7/neighbors?n=20")[1]), "neighbors")

            browser.waits("#figures", lambda text: "Requests a second" in text and "≤" in text, "figures")
            equal(browser.run("return document.title"), "topn", "titles are text, not markup")
            equal([text for text in browser.complaints() if "400 (Bad Request)" not in text], [], "the browser's log")


def test_page_with_keys():
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        keys = pathlib.Path(folder) / "keys"
        keys.write_text("page read secret-of-the-page-0123456789\n", encoding="utf-8")
        keys.chmod(0o600)
        with Server(["--keys", str(keys)]) as server:
            browser.open(server.url + "/")
            eventually(lambda: not browser.run("return document.getElementById('key-box').hidden"), "it asks for a key")
            equal(browser.text("#list tbody"), "", "nothing without a key")
            browser.type("#key", "secret-of-the-page-0123456789\ue007")
            browser.run("document.getElementById('key').dispatchEvent(new Event('change'))")
            eventually(lambda: browser.text("#list tbody") != "", "the list with a key")


needed()
main(globals())
