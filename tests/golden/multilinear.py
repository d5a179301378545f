#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected values for tests/unit/multilinear_models.c: one sweep of alternating least squares, without the Gramian trick.

Run: /usr/bin/python3 tests/golden/multilinear.py > tests/golden/multilinear.h
Scores of all pairs of contexts and items come from the models' definitions. They are linear in a block of parameters, so
the columns of the block's least-squares problem are differences of scores; it is solved over all pairs at once.
"""
import itertools

import numpy as np

USERS, ITEMS, HOURS, PLACES = 5, 6, 3, 2
D, FIELD_FACTORS = 3, (3, 2, 2)
ALPHA, UNOBSERVED, L2, EXPONENT = 1.5, 0.3, 0.05, 0.7


def lcg(seed):
    while True:
        seed = (seed * 1103515245 + 12345) % 2**31
        yield (seed >> 8) % 10007


def data():
    """Contexts (user, hour, place), ascending, with an index past the values where the event says nothing; the pairs."""
    numbers = lcg(7)
    events = {}
    for user, hour, place, item in itertools.product(range(USERS), range(HOURS + 1), range(PLACES + 1), range(ITEMS)):
        if next(numbers) < 900 + 1200 * ((user + hour + item) % 3 == 0):
            events.setdefault((user, hour, place), []).append(item)
    contexts = sorted(events)
    return contexts, [events[c] for c in contexts]


def features(rows, columns, seed):
    numbers = lcg(seed)
    table = np.zeros((rows, columns))
    for r, c in itertools.product(range(rows), range(columns)):
        draw = next(numbers)
        table[r, c] = [0, 1, 0, 1, 0.5, 0][draw % 6]
    return table


CONTEXTS, EVENTS = data()
USER_FEATURES, ITEM_FEATURES = features(USERS, 2, 21), features(ITEMS, 3, 22)
Y = np.zeros((len(CONTEXTS), ITEMS))
for c, items in enumerate(EVENTS):
    Y[c, items] = 1


def one_hot(indices, count):
    out = np.zeros((len(indices), count))
    out[np.arange(len(indices)), indices] = 1
    return out


def designs():
    """x of every entity and table row, by side and field."""
    users = np.array([c[0] for c in CONTEXTS])
    context = [np.hstack([one_hot(users, USERS), USER_FEATURES[users]]),
               one_hot([c[1] for c in CONTEXTS], HOURS + 1), one_hot([c[2] for c in CONTEXTS], PLACES + 1)]
    return context, [np.hstack([np.eye(ITEMS), ITEM_FEATURES])]


def side_rows(kind, x, tables, core, biases):
    """φ without constants, and the own bias, of all entities of a side."""
    own = np.zeros(len(x[0]))
    factors = [t[:, :-1] if biases else t for t in tables]
    u = [a @ b for a, b in zip(x, factors)]
    if biases:
        own = own + sum(a @ t[:, -1] for a, t in zip(x, tables))
    if kind == "sum":
        every_x, every_row = np.hstack(x), np.vstack(factors)
        gram = every_row @ every_row.T
        for k, l in itertools.combinations(range(len(every_row)), 2):
            own = own + every_x[:, k] * every_x[:, l] * gram[k, l]
        return sum(u), own
    if core is None:
        return np.prod(u, axis=0), own
    letters = "abc"[: len(u)]
    return np.einsum("r" + letters + "," + ",".join("e" + s for s in letters) + "->er", core, *u), own


def scores(model):
    kind, biases = model["kind"], model["biases"]
    phi, own_c = side_rows(kind, model["x"][0], model["tables"][0], model["core"], biases)
    psi, own_i = side_rows("sum" if kind == "sum" else "product", model["x"][1], model["tables"][1], None, biases)
    return phi @ psi.T + own_c[:, None] + own_i[None, :]


def ridge(entities, others):
    """Of a block that describes these contexts or items (a mask of pairs' rows or columns)."""
    events = Y[entities].sum() if others == ITEMS else Y[:, entities].sum()
    return L2 * (events + UNOBSERVED * others * entities.sum()) ** EXPONENT


def solve_block(model, block, entities, others):
    """block: a view of the parameters; changed in place to its optimum."""
    if not entities.any():
        return
    before = scores(model)
    columns = []
    for j in np.ndindex(block.shape):
        block[j] += 1
        columns.append((scores(model) - before).ravel())
        block[j] -= 1
    a = np.array(columns).T
    rest = before.ravel() - a @ block.ravel()
    # Σ_S α(ŷ − 1)² + α₀ Σ ŷ² + λ‖θ‖² as one least-squares problem
    seen = Y.ravel() > 0
    stacked = np.vstack([np.sqrt(ALPHA) * a[seen], np.sqrt(UNOBSERVED) * a,
                         np.sqrt(ridge(entities, others)) * np.eye(block.size)])
    target = np.concatenate([np.sqrt(ALPHA) * (1 - rest[seen]), -np.sqrt(UNOBSERVED) * rest, np.zeros(block.size)])
    block[...] = np.linalg.lstsq(stacked, target, rcond=None)[0].reshape(block.shape)


def half_sweep(model, side):
    others = ITEMS if side == 0 else len(CONTEXTS)
    for x, table in zip(model["x"][side], model["tables"][side]):
        for row in range(len(table)):
            solve_block(model, table[row], x[:, row] != 0, others)
    if side == 0 and model["core"] is not None:
        for row in range(D):
            solve_block(model, model["core"][row], np.ones(len(CONTEXTS), bool), others)


def first_values(shape, seed):
    numbers = lcg(seed)
    out = np.empty(shape)
    for at in np.ndindex(shape):
        out[at] = (next(numbers) % 257 - 128) / 256
    return out


def make(kind, biases):
    x = designs()
    factors = FIELD_FACTORS if kind == "tucker" else (D, D, D)
    tables = [[first_values((a.shape[1], n + biases), 100 + f) for f, (a, n) in enumerate(zip(x[0], factors))],
              [first_values((x[1][0].shape[1], D + biases), 200)]]
    core = first_values((D,) + FIELD_FACTORS, 300) if kind == "tucker" else None
    return {"kind": kind, "biases": biases, "x": x, "tables": tables, "core": core}


def array(kind, name, values):
    print(f"static const {kind} {name}[{len(values)}] = {{")
    for start in range(0, len(values), 8):
        print("    " + ", ".join(f"{v:.9g}" for v in values[start:start + 8]) + ",")
    print("};")


def main():
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Written by multilinear.py beside this file. */")
    print(f"enum {{ GOLDEN_CONTEXTS = {len(CONTEXTS)}, GOLDEN_EVENTS = {int(Y.sum())} }};")
    array("unsigned", "golden_contexts", [v for c in CONTEXTS for v in c])
    array("unsigned", "golden_indptr", np.concatenate([[0], Y.sum(1).cumsum()]).astype(int))
    array("unsigned", "golden_items", [i for items in EVENTS for i in items])
    array("double", "golden_user_features", USER_FEATURES.ravel())
    array("double", "golden_item_features", ITEM_FEATURES.ravel())
    for kind, biases in (("product", 0), ("product", 1), ("sum", 1), ("tucker", 0), ("tucker", 1)):
        model = make(kind, biases)
        half_sweep(model, 0)
        half_sweep(model, 1)
        array("double", f"golden_{kind}{'_biases' if biases and kind != 'sum' else ''}", scores(model).ravel())


if __name__ == "__main__":
    main()
