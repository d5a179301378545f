#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected values for tests/unit/alternating.c: a sweep of implicit matrix factorisation with weighted events.

Run: /usr/bin/python3 tests/golden/als.py > tests/golden/als.h
Every row is a weighted ridge regression over all of the other side, in double precision, without Gramians.
"""
import numpy as np

USERS, ITEMS, D = 9, 7, 4
ALPHA, SCALE, DISLIKE_BELOW, UNOBSERVED, L2, EXPONENT, USER_EXPONENT, ITEM_EXPONENT = 0.5, 2, 2, 0.3, 0.05, 0.7, 0.5, 0.8


def lcg(seed):
    while True:
        seed = (seed * 1103515245 + 12345) % 2**31
        yield (seed >> 8) % 10007


def events():
    """Weights of events, 0 where there is none. User 3 and item 5 have none."""
    numbers = lcg(11)
    weights = np.zeros((USERS, ITEMS))
    for user in range(USERS):
        for item in range(ITEMS):
            draw = next(numbers)
            if user != 3 and item != 5 and draw < 5000 - 500 * item:
                weights[user, item] = 1 + draw % 5
    return weights


def popularity_weights(counts, exponent):
    raw = np.maximum(counts, 1.0) ** -exponent
    return raw * counts.sum() / (counts * raw).sum()


def half_sweep(other, alpha, unobserved, labels, counts):
    """alpha, unobserved, labels [rows × entities of the other side]."""
    ridge = L2 * (counts + UNOBSERVED * other.shape[0]) ** EXPONENT
    rows = []
    for row in range(len(counts)):
        weight = alpha[row] + unobserved[row]
        matrix = (other * weight[:, None]).T @ other + ridge[row] * np.eye(D)
        rows.append(np.linalg.solve(matrix, other.T @ (alpha[row] * labels[row])))
    return np.array(rows)


def main():
    weights = events()
    seen = weights > 0
    v = popularity_weights(seen.sum(1), USER_EXPONENT)
    u = popularity_weights(seen.sum(0), ITEM_EXPONENT)
    alpha = seen * (ALPHA + SCALE * np.log1p(weights)) * np.outer(v, u)
    unobserved = UNOBSERVED * np.outer(v, u)
    labels = (weights >= DISLIKE_BELOW) * 1.0
    numbers = lcg(23)
    items = np.array([[next(numbers) / 10007 - 0.5 for _ in range(D)] for _ in range(ITEMS)])
    users = half_sweep(items, alpha, unobserved, labels, seen.sum(1))
    items = half_sweep(users, alpha.T, unobserved.T, labels.T, seen.sum(0))
    error = (users @ items.T - labels) ** 2
    ridge_users = L2 * (seen.sum(1) + UNOBSERVED * ITEMS) ** EXPONENT
    ridge_items = L2 * (seen.sum(0) + UNOBSERVED * USERS) ** EXPONENT
    loss = (alpha * error).sum() + (unobserved * (users @ items.T) ** 2).sum()
    loss += ridge_users @ (users**2).sum(1) + ridge_items @ (items**2).sum(1)
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Written by als.py beside this file. */")
    print(f"enum {{ ALS_USERS = {USERS}, ALS_ITEMS = {ITEMS}, ALS_FACTORS = {D} }};")
    print(f"static const double als_loss = {loss:.15g};")
    for name, values in (("users", users), ("items", items)):
        print(f"static const double als_{name}[] = {{")
        for row in values:
            print("    " + " ".join(f"{value:.12g}," for value in row))
        print("};")


main()
