#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected values for tests/unit/pairwise.c: alternating least squares of the pairwise square loss (Rendle 2021,
eq. 42, with weights), each step solved from the list of all its triples by numpy.linalg.lstsq.

Run: /usr/bin/python3 tests/golden/pairwise.py > tests/golden/pairwise.h
"""
import numpy as np

USERS, ITEMS, D, SWEEPS, RIDGE = 7, 6, 3, 3, 0.25

state = 12345


def draw():
    global state
    state = (state * 1103515245 + 12345) % 2**31
    return (state >> 16) % 1000 / 1000


w = np.array([[draw() - 0.5 for _ in range(D)] for _ in range(USERS)], dtype=np.float32).astype(float)
h = np.array([[draw() - 0.5 for _ in range(D)] for _ in range(ITEMS)], dtype=np.float32).astype(float)
u = np.array([0.5 + draw() for _ in range(ITEMS)], dtype=np.float32).astype(float)
events = []
for c in range(USERS):
    for i in range(ITEMS):
        if draw() < 0.45:
            events.append((c, i, float(np.float32(0.5 + draw()))))


def loss():
    total = RIDGE * ((w**2).sum() + (h**2).sum())
    for c, i, alpha in events:
        for j in range(ITEMS):
            total += alpha * u[j] * (w[c] @ h[i] - w[c] @ h[j] - 1) ** 2
    return total


def solve(rows, targets):
    """min Σ (row·θ − target)² + ridge"""
    a = np.vstack([np.array(rows).reshape(-1, D), np.sqrt(RIDGE) * np.eye(D)])
    b = np.concatenate([np.array(targets), np.zeros(D)])
    return np.linalg.lstsq(a, b, rcond=None)[0]


losses = [loss()]
for _ in range(SWEEPS):
    for c in range(USERS):
        rows, targets = [], []
        for c2, i, alpha in events:
            if c2 == c:
                for j in range(ITEMS):
                    scale = np.sqrt(alpha * u[j])
                    rows.append(scale * (h[i] - h[j]))
                    targets.append(scale)
        w[c] = solve(rows, targets)
    for k in range(ITEMS):
        rows, targets = [], []
        for c, i, alpha in events:
            for j in range(ITEMS):
                if (i == k) == (j == k):
                    continue
                scale = np.sqrt(alpha * u[j])
                sign = 1 if i == k else -1
                rest = -w[c] @ h[j] if i == k else w[c] @ h[i]
                rows.append(scale * sign * w[c])
                targets.append(scale * (1 - rest))
        h[k] = solve(rows, targets)
    losses.append(loss())


def show(name, values):
    print(f"static const double {name}[{len(values)}] = {{")
    for start in range(0, len(values), 6):
        print("    " + ", ".join(f"{v:.9g}" for v in values[start:start + 6]) + ",")
    print("};")


print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by pairwise.py beside this file. */")
print(f"enum {{ GOLDEN_USERS = {USERS}, GOLDEN_ITEMS = {ITEMS}, GOLDEN_FACTORS = {D}, GOLDEN_SWEEPS = {SWEEPS} }};")
print(f"static const double golden_ridge = {RIDGE};")
show("golden_losses", losses)
show("golden_users", w.ravel())
show("golden_items", h.ravel())
