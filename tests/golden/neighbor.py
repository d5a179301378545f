#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected values for tests/unit/neighbor.c, by plain NumPy in double precision, from the definitions.

Run: /usr/bin/python3 tests/golden/neighbor.py > tests/golden/neighbor.h
The interactions come from the same integer recurrence as in the test, so no file is shared.
"""
import numpy as np

USERS, ITEMS = 40, 9


def interactions():
    x = np.zeros((USERS, ITEMS))
    state = 777
    for u in range(USERS):
        for i in range(ITEMS):
            state = (state * 1103515245 + 12345) % 2**31
            draw = (state >> 16) % 100
            if draw < 65 - 5 * i + (20 if (u + i) % 3 == 0 else 0):
                x[u, i] = 1 + draw % 4
    return x


def show(name, values):
    flat = np.asarray(values, dtype=np.float64).ravel()
    print(f"static const double {name}[{len(flat)}] = {{")
    for start in range(0, len(flat), 6):
        print("    " + ", ".join(f"{v:.9g}" for v in flat[start:start + 6]) + ",")
    print("};")


def largest(row, k):
    """The k largest of a list, ties to the smaller index; the others 0."""
    kept = np.zeros_like(row)
    order = sorted(np.flatnonzero(row), key=lambda i: (-np.float32(row[i]), i))[:k]
    kept[order] = row[order]
    return kept


def neighbors(t, k, side, scaling):
    """T with k neighbours of each column (recommended) or row (history), scaled."""
    t = t.copy()
    np.fill_diagonal(t, 0)
    rows = t if side == "history" else t.T
    out = np.zeros_like(rows)
    for i, row in enumerate(rows):
        kept = largest(row, k)
        if scaling == "sum" and kept.sum() > 0:
            kept = kept / kept.sum()
        if scaling == "length" and kept.any():
            kept = kept / np.sqrt((kept**2).sum())
        out[i] = kept
    return out if side == "history" else out.T


def itemknn(x, similarity, alpha=0.5, shrinkage=0.0, power=1.0, a=0.0, k=ITEMS, side="recommended", scaling="none"):
    sizes = (x > 0).sum(1)
    w = np.where(sizes > 0, np.maximum(sizes, 1.0) ** -a, 1.0)
    w *= sizes.sum() / (sizes * w).sum()
    c = x.T @ (w[:, None] * x)
    g = np.diag(c)
    h, j = g[:, None], g[None, :]
    s = {"cosine": c / (h**alpha * j ** (1 - alpha)), "jaccard": c / (h + j - c), "co-count": c,
         "conditional": c / (h * j**alpha)}[similarity]
    return neighbors((s * c / (c + shrinkage)) ** power, k, side, scaling)


def rp3beta(x, alpha, beta, k=ITEMS, side="history", scaling="none"):
    from_user = (x / np.maximum(x.sum(1, keepdims=True), 1e-30)) ** alpha * (x > 0)
    from_item = (x.T / x.T.sum(1, keepdims=True)) ** alpha * (x.T > 0)
    return neighbors((from_item @ from_user) / (x > 0).sum(0) ** beta, k, side, scaling)


def userknn(x, histories, k, normalizer, scale, item_exponent=0.0, vote_exponent=0.0):
    """Scores of all items for each history: the similarities to the users of X, the k largest times their rows."""
    item_weights = (x > 0).sum(0) ** -item_exponent
    out = []
    for history in histories:
        similarity = x @ (item_weights * history) / history.sum() ** normalizer
        similarity = similarity / ((x**2 * item_weights).sum(1)) ** scale
        votes = x * ((x > 0).sum(1)[:, None] ** -vote_exponent)
        out.append(largest(similarity, k) @ votes)
    return np.array(out)


weighted = interactions()
x = (weighted > 0).astype(float)
print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by neighbor.py beside this file. */")
show("golden_events_per_item", x.sum(0))
show("golden_cosine", itemknn(x, "cosine"))
show("golden_jaccard", itemknn(x, "jaccard"))
show("golden_co_count", itemknn(x, "co-count"))
show("golden_conditional", itemknn(x, "conditional", alpha=0.4))
show("golden_cosine_all", itemknn(x, "cosine", 0.3, 3.0, 1.5, 0.5, 4, "recommended", "sum"))
show("golden_jaccard_weight", itemknn(weighted, "jaccard", k=3, side="history", scaling="length"))
show("golden_co_count_ties", itemknn(x, "co-count", k=3))
show("golden_rp3beta", rp3beta(x, 0.8, 0.4))
show("golden_rp3beta_weight", rp3beta(weighted, 0.7, 0.6, 3, "history", "sum"))
show("golden_rp3beta_recommended", rp3beta(x, 1.0, 0.0, 4, "recommended"))

# Users of the data and three who are not in it, binary and weighted.
probes = np.array([[1, 0, 1, 0, 0, 0, 0, 1, 0], [0, 2, 0, 0, 1, 4, 0, 0, 3], [0, 0, 0, 0, 0, 0, 0, 0, 1.0]])
show("golden_probes", probes)
binary = np.vstack([x[:4], probes > 0])
show("golden_userknn", userknn(x, binary, 7, 0.5, 0.5))
show("golden_userknn_co_count", userknn(x, binary, 5, 0, 0))
show("golden_userknn_all", userknn(x, binary, 9, 0.3, 0.7, 0.5, 0.25) * x.sum(0) ** -0.2)
show("golden_userknn_weight", userknn(weighted, np.vstack([weighted[:4], probes]), 6, 0.5, 0.5))
