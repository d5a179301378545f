#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected values for tests/unit/optimizers.c: parameters after a hundred steps along gradients 2(θ − target) plus
noise, by NumPy in double precision. One parameter's gradient is 0 in every second step, one's always.

Run: /usr/bin/python3 tests/golden/optimizers.py > tests/golden/optimizers.h
"""
import numpy as np

COUNT, STEPS = 6, 100
RATE, BETA1, BETA2, EPSILON = 0.05, 0.9, 0.99, 1e-6

state = 4321


def draw():
    global state
    state = (state * 1103515245 + 12345) % 2**31
    return (state >> 16) % 1000 / 1000


start = np.array([draw() - 0.5 for _ in range(COUNT)])
gradients = np.array([[draw() - 0.3 for _ in range(COUNT)] for _ in range(STEPS)])
gradients[::2, 1] = 0
gradients[:, 2] = 0


def sgd():
    return start - RATE * gradients.sum(axis=0)


def adagrad():
    theta, squares = start.copy(), np.zeros(COUNT)
    for g in gradients:
        squares += g**2
        theta -= RATE * g / np.sqrt(squares + EPSILON)
    return theta


def adam():
    # Both averages unrolled: m_t = (1 − β₁) Σ_s β₁^(t−s) g_s, and the same of squares.
    theta = start.copy()
    for t in range(1, STEPS + 1):
        ages = np.arange(t - 1, -1, -1)
        m = (1 - BETA1) * (BETA1**ages) @ gradients[:t] / (1 - BETA1**t)
        v = (1 - BETA2) * (BETA2**ages) @ gradients[:t] ** 2 / (1 - BETA2**t)
        theta -= RATE * m / (np.sqrt(v) + EPSILON)
    return theta


def array(name, values):
    print(f"static const double golden_{name}[{len(values)}] = {{")
    for row in range(0, len(values), 6):
        print("    " + ", ".join(f"{x:.9g}" for x in values[row : row + 6]) + ",")
    print("};")


print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by optimizers.py beside this file. */")
print(f"enum {{ GOLDEN_COUNT = {COUNT}, GOLDEN_STEPS = {STEPS} }};")
print(f"static const double golden_rate = {RATE}, golden_beta1 = {BETA1}, golden_beta2 = {BETA2};")
print(f"static const double golden_epsilon = {EPSILON};")
array("start", start)
array("gradients", gradients.ravel())
array("sgd", sgd())
array("adagrad", adagrad())
array("adam", adam())
