// SPDX-License-Identifier: Apache-2.0
// Everything shown comes from the server's own interface (/openapi.json) and goes into the page as text, never as HTML.
"use strict";

const by = (id) => document.getElementById(id);
const NUMBER = 20; // items of a list
const REFRESH = 2000; // milliseconds between two looks at the figures

function element(name, text, children = []) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  made.append(...children);
  return made;
}

// A link to #kind/id, which show() reads.
function link(kind, id, title) {
  const made = element("a", title ? `${title} (${id})` : id);
  made.href = `#${kind}/${encodeURIComponent(id)}`;
  return made;
}

async function ask(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== null));
  const key = by("key").value;
  const answer = await fetch(query.size ? `${path}?${query}` : path, { headers: key ? { "X-API-Key": key } : {} });
  if (answer.status === 401 || answer.status === 403) by("key-box").hidden = false;
  if (path === "metrics" && answer.ok) return answer.text();
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error.message);
  return body;
}

async function trying(work) {
  try {
    by("fault").textContent = "";
    await work();
  } catch (fault) {
    by("fault").textContent = fault.message;
  }
}

function wishes() {
  return { n: NUMBER, filter: by("filter").value, diversity: by("diversity").value === "0" ? "" : by("diversity").value };
}

function fillList(answer) {
  const rows = answer.items.map((item, place) =>
    element("tr", null, [
      element("td", place + 1),
      element("td", null, [link("item", item.id, item.title)]),
      element("td", typeof item.score === "number" ? item.score.toPrecision(5) : ""),
      element("td", null, (item.because || []).flatMap((reason, at) =>
        [at ? ", " : "", link("item", reason.id, reason.title), ` ${reason.contribution.toPrecision(2)}`])),
    ]));
  by("list").tBodies[0].replaceChildren(...rows);
  const said = [];
  if (answer.source) said.push(`from ${answer.source}`);
  if (answer.reason) said.push(answer.reason);
  if (answer.history !== undefined) said.push(`${answer.history} items in the history`);
  if (answer.live) said.push("with events since training");
  if (answer.filtered) said.push(`${answer.filtered} items kept out by filters`);
  by("about").textContent = said.join(", ");
}

async function showUser(id) {
  by("what").textContent = `Recommended to ${id}`;
  fillList(await ask(`api/recommend/${encodeURIComponent(id)}`, { ...wishes(), explain: "true" }));
  const history = await ask(`api/feedback/${encodeURIComponent(id)}`, { n: NUMBER });
  const events = Array.isArray(history) ? history : history.Feedback || history.items || [];
  by("history").tBodies[0].replaceChildren(...events.map((event) =>
    element("tr", null, [
      element("td", null, [link("item", event.ItemId, event.Title)]),
      element("td", event.Weight),
      element("td", event.Timestamp),
    ])));
  by("history-box").hidden = false;
}

async function showItem(id) {
  by("what").textContent = `Similar to ${id}`;
  fillList(await ask(`api/item/${encodeURIComponent(id)}/neighbors`, wishes()));
}

async function showPopular() {
  const { n, filter } = wishes();
  by("what").textContent = "Popular now";
  fillList(await ask("api/popular", { n, filter }));
}

// What the part of the address behind # asks for.
function show() {
  const [kind, id] = location.hash.slice(1).split("/").map(decodeURIComponent);
  by("history-box").hidden = true;
  return trying(() => (kind === "user" ? showUser(id) : kind === "item" ? showItem(id) : showPopular()));
}

function foundList(title, kind, entries) {
  if (!entries.length) return [];
  return [element("h2", title), element("ul", null,
    entries.map((entry) => element("li", null, [link(kind, entry.id, entry.title)])))];
}

function search(event) {
  event.preventDefault();
  const text = by("text").value.trim();
  return trying(async () => {
    const found = text ? await ask("api/search", { text, n: NUMBER }) : { items: [], users: [] };
    by("found").replaceChildren(...foundList("Users", "user", found.users), ...foundList("Items", "item", found.items));
    if (text && !found.users.length && !found.items.length) by("found").textContent = "Nothing of that name.";
    await show();
  });
}

// Prometheus text → [{name, labels, value}].
function parseMetrics(text) {
  return text.split("\n").map((line) => /^([a-z_]+)(?:\{(.*)\})? ([^ ]+)$/.exec(line)).filter(Boolean)
    .map(([, name, labels, value]) => ({ name, labels: labels || "", value: Number(value) }));
}

// The bound of the bucket in which the share of all requests lies, in milliseconds.
function quantile(metrics, share) {
  const buckets = new Map();
  for (const { name, labels, value } of metrics) {
    const bound = name === "topn_request_seconds_bucket" && /le="([^"]+)"/.exec(labels);
    if (bound) buckets.set(bound[1], (buckets.get(bound[1]) || 0) + value);
  }
  const sorted = [...buckets].map(([bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), count])
    .sort((a, b) => a[0] - b[0]);
  const total = sorted.length ? sorted[sorted.length - 1][1] : 0;
  const found = sorted.find(([, count]) => count >= share * total);
  return total ? `≤ ${found[0] * 1000} ms` : "none yet";
}

let before = null;

async function refresh() {
  try {
    const metrics = parseMetrics(await ask("metrics"));
    const sum = (name) => metrics.filter((one) => one.name === name).reduce((total, one) => total + one.value, 0);
    const now = { time: performance.now(), requests: sum("topn_requests_total") };
    const rate = before ? (now.requests - before.requests) / ((now.time - before.time) / 1000) : 0;
    before = now;
    const rows = [["Requests", now.requests], ["Requests a second", rate.toFixed(1)],
      ["Half answered in", quantile(metrics, 0.5)], ["99 of 100 in", quantile(metrics, 0.99)]];
    const seen = new Set();
    for (const { name, labels, value } of metrics)
      if (!labels && !name.startsWith("topn_request") && !seen.has(name) && seen.add(name))
        rows.push([name.replace(/^topn_/, "").replaceAll("_", " "), value]);
    by("figures").replaceChildren(...rows.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  } catch (fault) {
    by("figures").replaceChildren(element("dt", "figures"), element("dd", fault.message));
  }
}

async function showModel() {
  const ready = await ask("api/health/ready").catch(() => null);
  by("model").textContent = ready && ready.model ? `model ${ready.model}` : "no model";
}

by("search").addEventListener("submit", search);
by("diversity").addEventListener("input", () => { by("diversity-value").textContent = by("diversity").value; });
by("diversity").addEventListener("change", show);
by("filter").addEventListener("change", show);
by("key").addEventListener("change", () => { showModel(); refresh(); show(); });
addEventListener("hashchange", show);
showModel();
show();
refresh();
setInterval(refresh, REFRESH);
