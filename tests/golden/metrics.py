#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes metrics.txt: a small evaluation computed naively, straight from the formulas, for tests/unit/metric_golden.c.

Scores are whole multiples of 1/4, so sums are exact and ties abound. Written once:
    /usr/bin/python3 tests/golden/metrics.py > tests/golden/metrics.txt
"""
import numpy as np

ITEMS, USERS, CUTOFFS = 30, 16, (1, 3, 10)
random = np.random.default_rng(20210613)

# Model: score(u, i) = sum over the user's seen items h of weights[h, i]; many are 0.
weights = random.integers(-4, 9, (ITEMS, ITEMS)) / 4 * (random.random((ITEMS, ITEMS)) < 0.4)
seen, hidden, unknown, candidates = [], [], [], []
for user in range(USERS):
    items = random.permutation(ITEMS)
    shown = int(random.integers(1, 8))
    asked = int(random.integers(1, 7))
    seen.append(sorted(items[:shown]))
    hidden.append(sorted(items[shown : shown + asked]))
    candidates.append(sorted(random.permutation(items[shown:])[: int(random.integers(3, 12))]))
    unknown.append(int(user % 5 == 2))  # hidden items that the model has never heard of
seen[3] = []  # no history
hidden[4] = sorted(hidden[4] + [seen[4][0]])  # a hidden item that was seen: can only be missed
hidden[5], unknown[5] = [], 2  # nothing but unknown items
hidden[6] = sorted(set(range(ITEMS)) - set(seen[6]))  # everything left is relevant: no pair for AUC
candidates[7] = hidden[7][:1] + [i for i in candidates[7] if i not in hidden[7]]  # a candidate that is hidden, too
candidates[7].sort()
seen_by_others = [sorted(random.permutation(ITEMS)[:3]) for _ in range(3)]  # users without hidden items

popularity = np.zeros(ITEMS)
for row in seen + seen_by_others:
    popularity[row] += 1
seen_users = sum(len(row) > 0 for row in seen + seen_by_others)
novelty = -np.log2(np.maximum(popularity, 1) / seen_users)


def ranked_items(user, include_seen, sampled):
    pool = set(range(ITEMS))
    if sampled:
        pool = set(hidden[user]) | set(candidates[user])
    if not include_seen:
        pool -= set(seen[user])
    return sorted(pool)


def user_values(user, drop, include_seen, sampled):
    scores = weights[seen[user]].sum(axis=0) if seen[user] else np.zeros(ITEMS)
    pool = ranked_items(user, include_seen, sampled)
    order = sorted(pool, key=lambda item: (-scores[item], item))
    relevant = set(hidden[user])
    count = len(relevant) + (0 if drop else unknown[user])
    values = {}
    for n in CUTOFFS:
        top = order[:n]
        hits = [item in relevant for item in top]
        values[f"precision@{n}"] = sum(hits) / n
        values[f"recall@{n}"] = sum(hits) / count
        values[f"recall-capped@{n}"] = sum(hits) / min(n, count)
        values[f"hit@{n}"] = float(any(hits))
        values[f"ap@{n}"] = sum(sum(hits[: r + 1]) / (r + 1) for r in range(len(top)) if hits[r]) / min(count, n)
        gain = sum(1 / np.log2(r + 2) for r in range(len(top)) if hits[r])
        values[f"ndcg@{n}"] = gain / sum(1 / np.log2(r + 2) for r in range(min(count, n)))
        values[f"mrr@{n}"] = next((1 / (r + 1) for r in range(len(top)) if hits[r]), 0.0)
        values[f"novelty@{n}"] = float(np.mean(novelty[top])) if top else 0.0
    others = [item for item in pool if item not in relevant]
    wins = sum((scores[a] > scores[b]) + (scores[a] == scores[b]) / 2 for a in relevant & set(pool) for b in others)
    values["auc"] = wins / (count * len(others)) if others else 0.5
    values["coverage"] = np.count_nonzero(scores) / ITEMS
    return values, order


def gini(counts):
    """Half the mean absolute difference over the mean."""
    differences = np.abs(counts[:, None] - counts[None, :]).mean()
    return differences / (2 * counts.mean())


def line(*words):
    print(*(repr(float(word)) if isinstance(word, (float, np.floating)) else word for word in words))


line("items", ITEMS)
for row in weights:
    line(*(float(value) for value in row))
line("users", USERS)
for user in range(USERS):
    line(len(seen[user]), *seen[user], len(hidden[user]), *hidden[user], unknown[user], len(candidates[user]), *candidates[user])
line("others", len(seen_by_others))
for row in seen_by_others:
    line(len(row), *row)
modes = (("full", 0, 0, 0), ("drop", 1, 0, 0), ("include-seen", 0, 1, 0), ("sampled", 0, 0, 1))
line("modes", len(modes))
for name, drop, include_seen, sampled in modes:
    evaluated = [user for user in range(USERS) if not drop or hidden[user]]
    results = [user_values(user, drop, include_seen, sampled) for user in evaluated]
    names = list(results[0][0])
    line(name, drop, include_seen, sampled)
    line("evaluated", len(evaluated), *evaluated)
    line("metrics", len(names))
    for metric in names:
        line(metric, *(float(values[metric]) for values, _ in results))
    line("overall", 2 * len(CUTOFFS))
    for n in CUTOFFS:
        counts = np.zeros(ITEMS)
        for _, order in results:
            counts[order[:n]] += 1
        line(f"catalogue-coverage@{n}", float(np.mean(counts > 0)))
        line(f"gini@{n}", float(gini(counts)))
