#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes ingest.h: an event table and what reading it must give, computed with NumPy and plain dictionaries.

usage: tests/golden/ingest.py >tests/golden/ingest.h
"""
import numpy as np

EVENTS, USERS, ITEMS = 400, 40, 25
RULES = ("sum", "max", "last", "count")


def make_events():
    random = np.random.default_rng(7)
    users = random.integers(0, USERS, EVENTS) ** 2 % 97
    items = random.zipf(1.4, EVENTS) % ITEMS
    weights = random.integers(0, 11, EVENTS) / 2
    times = 1_000_000_000 + random.permutation(EVENTS) * 1000
    return list(zip(users.tolist(), items.tolist(), weights.tolist(), times.tolist()))


def merge(events, rule):
    pairs = {}
    for user, item, weight, time in events:
        pairs.setdefault((user, item), []).append((time, weight))
    merged = {}
    for pair, parts in pairs.items():
        weights = [weight for _, weight in parts]
        latest = max(parts)
        value = {"sum": sum(weights), "max": max(weights), "last": latest[1], "count": len(weights)}[rule]
        merged[pair] = (value, latest[0])
    return merged


def core(merged, least_user, least_item):
    while True:
        users, items = {}, {}
        for user, item in merged:
            users[user] = users.get(user, 0) + 1
            items[item] = items.get(item, 0) + 1
        kept = {pair: value for pair, value in merged.items()
                if users[pair[0]] >= least_user and items[pair[1]] >= least_item}
        if len(kept) == len(merged):
            return kept
        merged = kept


def distribution(values):
    values = np.asarray(values, dtype=float)
    quantiles = np.quantile(values, [0.1, 0.25, 0.5, 0.75, 0.9, 0.99])
    row = [values.min(), *quantiles, values.max(), values.mean()]
    return "{" + ", ".join(repr(float(value)) for value in row) + "}"


def gini(counts):
    counts = np.asarray(counts, dtype=float)
    differences = np.abs(counts[:, None] - counts[None, :]).sum()
    return float(differences / (2 * len(counts) ** 2 * counts.mean()))


def print_case(name, merged, options):
    users = sorted({user for user, _ in merged})
    items = sorted({item for _, item in merged})
    per_user = [sum(1 for pair in merged if pair[0] == user) for user in users]
    per_item = [sum(1 for pair in merged if pair[1] == item) for item in items]
    weights = [value for value, _ in merged.values()]
    times = [time for _, time in merged.values()]
    checksum = sum(value * (3 * user + 7 * item + 1) for (user, item), (value, _) in merged.items())
    print(f"    {{.name = \"{name}\", .options = {{{', '.join(options + ['NULL'])}}},")
    print(f"     .users = {len(users)}, .items = {len(items)}, .events = {len(merged)}, .gini = {gini(per_item)!r},")
    print(f"     .checksum = {checksum!r}, .first_time = {min(times)}, .last_time = {max(times)},")
    print(f"     .per_user = {distribution(per_user)},")
    print(f"     .per_item = {distribution(per_item)},")
    print(f"     .weight = {distribution(weights)}}},")


def main():
    events = make_events()
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by tests/golden/ingest.py. */")
    print("/* clang-format off */")
    print("static const char golden_text[] =")
    print('    "user,item,rating,timestamp\\n"')
    for event in events:
        print('    "{},{},{:g},{}\\n"'.format(*event))
    print("    ;")
    print("static const golden_case golden_cases[] = {")
    for rule in RULES:
        print_case(rule, merge(events, rule), ['"duplicates"', f'"{rule}"'])
    heavy = {pair: value for pair, value in merge(events, "last").items() if value[0] >= 2.5}
    print_case("heavy", heavy, ['"min-weight"', '"2.5"'])
    print_case("core", core(merge(events, "last"), 4, 5), ['"min-user-events"', '"4"', '"min-item-events"', '"5"'])
    print_case("all", core(heavy, 3, 2),
               ['"min-weight"', '"2.5"', '"min-user-events"', '"3"', '"min-item-events"', '"2"'])
    span = [event for event in events if 1_000_100_000 <= event[3] < 1_000_300_000]
    print_case("span", merge(span, "sum"),
               ['"duplicates"', '"sum"', '"since"', '"1000100000"', '"until"', '"2001-09-12T13:06:40"'])
    print("};")


if __name__ == "__main__":
    main()
