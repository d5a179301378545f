#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected values for tests/unit/linear.c, by plain NumPy/SciPy in double precision.

Run: /usr/bin/python3 tests/golden/linear.py > tests/golden/linear.h
The interactions come from the same integer recurrence as in the test, so no file is shared.
"""
import numpy as np
import scipy.linalg

USERS, ITEMS = 60, 12


def interactions(users=USERS):
    x = np.zeros((users, ITEMS))
    state = 12345
    for u in range(users):
        for i in range(ITEMS):
            state = (state * 1103515245 + 12345) % 2**31
            # popular items first, some structure between neighbours
            if (state >> 16) % 100 < 70 - 5 * i + (15 if (u + i) % 3 == 0 else 0):
                x[u, i] = 1
    return x


def show(name, values):
    flat = np.asarray(values, dtype=np.float64).ravel()
    print(f"static const double {name}[{len(flat)}] = {{")
    for start in range(0, len(flat), 6):
        print("    " + ", ".join(f"{v:.9g}" for v in flat[start:start + 6]) + ",")
    print("};")


def ease(x, l2, a=0.0, b=0.0, c=0.0, dropout=0.0):
    """B·diag(count^-c), with the three exponents and dropout of the documentation."""
    sizes = x.sum(1)
    w = np.where(sizes > 0, np.maximum(sizes, 1) ** -a, 1.0)
    w *= sizes.sum() / (sizes * w).sum()
    g = x.T @ (w[:, None] * x)
    diagonal = np.diag(g).copy()
    ridge = l2 * (diagonal / diagonal.mean()) ** b + dropout / (1 - dropout) * diagonal
    p = np.linalg.inv(g + np.diag(ridge))
    weights = np.eye(ITEMS) - p / np.diag(p)
    return weights * x.sum(0) ** -c, p


def main():
    x = interactions()
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Written by linear.py beside this file. */")
    show("golden_events_per_item", x.sum(0))
    plain, p = ease(x, 3.0)
    show("golden_ease", plain)
    show("golden_ease_weighted", ease(x, 2.0, a=0.5, b=0.75, c=0.25)[0])
    show("golden_ease_dropout", ease(x, 2.0, dropout=0.2)[0])

    # One column as an explicit ridge regression of item 4 on all others.
    others = [i for i in range(ITEMS) if i != 4]
    column = np.zeros(ITEMS)
    column[others] = np.linalg.solve(x[:, others].T @ x[:, others] + 3.0 * np.eye(ITEMS - 1), x[:, others].T @ x[:, 4])
    show("golden_regression_4", column)

    d = np.sqrt(np.diag(p))
    show("golden_lambda_max", [np.linalg.eigvalsh(p / np.outer(d, d)).max()])
    order = sorted(range(ITEMS), key=lambda i: (-x[:, i].sum(), i))
    beta = 2.5
    a = (beta * np.diag(np.diag(p)) - p)[np.ix_(order, order)]
    show("golden_chol", scipy.linalg.cholesky(a, lower=True))
    show("golden_order", order)

    # Inverse-factor embeddings, rarest item first: W = C⁻¹ with G + λI = C·Cᵀ.
    rare = sorted(range(ITEMS), key=lambda i: (x[:, i].sum(), i))
    w = np.linalg.inv(np.linalg.cholesky((x.T @ x + 3.0 * np.eye(ITEMS))[np.ix_(rare, rare)]))
    show("golden_rare_order", rare)
    show("golden_inverse_factor", w)
    show("golden_inverse_factor_priors", -1 / (w ** 2).sum(0))


if __name__ == "__main__":
    main()
