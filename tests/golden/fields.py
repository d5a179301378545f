#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected embeddings of contexts whose user's row is solved for, for tests/unit/fields_encoder.c: by listing every term
of the loss as one row of an ordinary least-squares problem, in double precision.

Run: /usr/bin/python3 tests/golden/fields.py > tests/golden/fields.h
"""
import itertools

import numpy as np

ITEMS, USERS, VALUES, FEATURES, FACTORS = 11, 3, (4, 3), 3, 4
HISTORY = [7, 2, 9, 0, 4]
WEIGHTS = [1.0, 3.0, 0.5, 2.0, 4.0]
CONTEXT = [2, None]  # the second field is missing
USER_FEATURES = [(0, 1.0), (2, -0.5)]


def show(name, values):
    flat = np.asarray(values, dtype=float).ravel()
    print(f"static const double golden_{name}[{len(flat)}] = {{")
    for at in range(0, len(flat), 6):
        print("    " + ", ".join(f"{v:.9g}" for v in flat[at:at + 6]) + ",")
    print("};")


def compose(kind, biases, rows, core):
    """φ of lists of (x, row) for each field; straight from the definition."""
    d = FACTORS
    factors = [sum(x * row[:len(row) - biases] for x, row in field) for field in rows]
    if kind == "product":
        phi = np.prod(factors, axis=0)
    elif kind == "sum":
        phi = np.sum(factors, axis=0)
    else:
        phi = np.array([sum(core[r][np.ravel_multi_index(index, [len(f) for f in factors])] *
                            np.prod([f[i] for f, i in zip(factors, index)])
                            for index in itertools.product(*[range(len(f)) for f in factors])) for r in range(d)])
    if not biases:
        return phi
    every = [pair for field in rows for pair in field]
    own = sum(x * row[-1] for x, row in every)
    if kind == "sum":
        own += sum(x * y * np.dot(a[:d], b[:d]) for (x, a), (y, b) in itertools.combinations(every, 2))
    return np.concatenate([phi, [own, 1.0]])


def solve(embed, width, psi, history, alphas, labels, unobserved, item_weights, v, ridge, pairwise):
    """argmin of the loss by lstsq, and what each event adds to each item's score."""
    zero = embed(np.zeros(width))
    columns = [embed(e) - zero for e in np.eye(width)]
    x, start = psi @ np.array(columns).T, psi @ zero
    terms, targets, events = [], [], []
    for h, alpha, label in zip(history, alphas, labels):
        alpha = alpha * v * item_weights[h]
        if pairwise:
            for i in range(ITEMS):
                root = np.sqrt(alpha * item_weights[i])
                terms.append(root * (x[h] - x[i]))
                targets.append(root * (1 - start[h] + start[i]))
                events.append(h)
        else:
            terms.append(np.sqrt(alpha) * x[h])
            targets.append(np.sqrt(alpha) * (label - start[h]))
            events.append(h)
    for i in range(ITEMS if not pairwise else 0):
        root = np.sqrt(unobserved * v * item_weights[i])
        terms.append(root * x[i])
        targets.append(-root * start[i])
        events.append(None)
    for e in np.eye(width):
        terms.append(np.sqrt(ridge) * e)
        targets.append(0.0)
        events.append(None)
    terms, targets = np.array(terms), np.array(targets)
    inverse = np.linalg.pinv(terms)
    shares = [inverse[:, [e == h for e in events]] @ targets[[e == h for e in events]] for h in history]
    return embed(np.linalg.lstsq(terms, targets, rcond=None)[0]), x @ np.array(shares).T


CASES = [  # name, kind, biases, context fields, pairwise, weighted items
    ("plain", "product", 0, 0, False, False),
    ("product", "product", 1, 2, False, True),
    ("sum", "sum", 1, 2, False, False),
    ("tucker", "tucker", 1, 2, False, True),
    ("pair", "product", 0, 0, True, False),
    ("pair_product", "product", 1, 2, True, True),
    ("pair_sum", "sum", 1, 2, True, True),
]


def main():
    print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Written by fields.py beside this file. */")
    for number, (name, kind, biases, fields, pairwise, weighted) in enumerate(CASES):
        random = np.random.default_rng(number + 1)
        single = lambda *shape: np.float32(random.normal(0, 0.6, shape)).astype(float)
        widths = [3, 2, 3] if kind == "tucker" else [FACTORS] * 3
        features = FEATURES if fields else 0
        users = single(USERS + 1 + features, widths[0] + biases)
        tables = [single(VALUES[f] + 1, widths[f + 1] + biases) for f in range(fields)]
        core = single(FACTORS, int(np.prod(widths)))
        psi = single(ITEMS, FACTORS + 2 * biases)
        if biases:
            psi[:, FACTORS] = 1.0  # an item's constant
        item_weights = np.float32(random.uniform(0.5, 1.5, ITEMS)).astype(float) if weighted else np.ones(ITEMS)
        given = [(x, users[USERS + 1 + k]) for k, x in USER_FEATURES] if features else []
        context = [[(1.0, tables[f][-1 if CONTEXT[f] is None else CONTEXT[f]])] for f in range(fields)]
        embed = lambda row: compose(kind, biases, [[(1.0, row)] + given] + context, core)
        if kind == "sum" and name == "sum":  # logarithmic weights; an event below 1 is a dislike
            alphas, labels = 0.5 + 2.0 * np.log1p(WEIGHTS), [float(w >= 1) for w in WEIGHTS]
        else:
            alphas, labels = 1.0 + 0.7 * np.array(WEIGHTS), [1.0] * len(HISTORY)
        unobserved, l2, exponent, scale, user_exponent = 0.3, 0.05, 0.5, 1.7, 0.25
        ridge = l2 * (len(HISTORY) + unobserved * ITEMS) ** exponent
        v = scale * len(HISTORY) ** -user_exponent
        phi, shares = solve(embed, users.shape[1], psi, HISTORY, alphas, labels, unobserved, item_weights, v, ridge,
                            pairwise)
        show(f"{name}_users", users)
        for f in range(fields):
            show(f"{name}_field_{f}", tables[f])
        if kind == "tucker":
            show(f"{name}_core", core)
        show(f"{name}_psi", psi)
        if weighted:
            show(f"{name}_weights", item_weights)
        show(f"{name}_phi", phi)
        show(f"{name}_shares", shares)  # [items × history]
        show(f"{name}_trained", embed(users[1]))
        show(f"{name}_unknown", embed(users[USERS]))


if __name__ == "__main__":
    main()
