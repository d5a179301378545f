#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected values for tests/unit/autoencoder.c: losses and gradients of whole autoencoders, written from the papers'
formulas alone, by NumPy in double precision. Gradients are central differences of the loss, so nothing of the library's
backward passes is repeated here.

Run: /usr/bin/python3 tests/golden/autoencoder.py > tests/golden/autoencoder.h
"""
import numpy as np

USERS, ITEMS, HIDDEN, LATENT, COMPONENTS = 4, 7, 5, 3, 2
BETA, GAMMA, SEED = 0.3, 0.1, 5
HISTORIES = [[0, 2, 5], [1], [0, 1, 3, 4, 6], [2, 6]]
state = 977


def draw(*shape):
    def one():
        global state
        state = (state * 1103515245 + 12345) % 2**31
        return (state >> 16) % 1000 / 1000 - 0.5

    return np.array([one() for _ in range(int(np.prod(shape)))]).reshape(shape)


def normal_number(seed, stream, index):
    """Philox4x32-10 (Salmon et al. 2011) and Box-Muller, as base/random.h says."""
    counter, key = [index % 2**32, index >> 32, stream, 0], [seed % 2**32, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [b >> 32 ^ counter[1] ^ key[0], b % 2**32, a >> 32 ^ counter[3] ^ key[1], a % 2**32]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return np.sqrt(-2 * np.log((counter[0] + 1) / 2**32)) * np.cos(2 * np.pi * counter[1] / 2**32)


def softmax_loss(scores):
    total = 0
    for u, history in enumerate(HISTORIES):
        total += len(history) * np.log(np.exp(scores[u]).sum()) - scores[u][history].sum()
    return total


def inputs(table):
    return np.array([table[history].sum(axis=0) / np.sqrt(len(history)) for history in HISTORIES])


def dae(p):
    """items -> LATENT -> items."""
    h = np.tanh(inputs(p["input"]) + p["b0"])
    return softmax_loss(h @ p["items"].T + p["biases"]), 0


def vae_front(p, noise, layers):
    h = layers(p)
    moments = h @ p["w1"] + p["b1"]
    mean, logs = moments[:, :LATENT], moments[:, LATENT:]
    return mean, logs, mean + noise * np.exp(logs / 2)


def vae(p, noise):
    mean, logs, z = vae_front(p, noise, lambda p: np.tanh(inputs(p["input"]) + p["b0"]))
    h = np.tanh(z @ p["w2"] + p["b2"])
    divergence = 0.5 * (np.exp(logs) + mean**2 - 1 - logs).sum()
    return softmax_loss(h @ p["items"].T + p["biases"]), BETA * divergence


def linear_vae(p, noise):
    """The items' rows right behind the latent values."""
    mean, logs, z = vae_front(p, noise, lambda p: np.tanh(inputs(p["input"]) + p["b0"]))
    divergence = 0.5 * (np.exp(logs) + mean**2 - 1 - logs).sum()
    return softmax_loss(z @ p["items"].T + p["biases"]), BETA * divergence


def swish_norm(z, gain, shift):
    a = z / (1 + np.exp(-z))
    return gain * (a - a.mean(axis=1, keepdims=True)) / np.sqrt(a.var(axis=1, keepdims=True) + 1e-5) + shift


def recvae_layers(p):
    h0 = swish_norm(inputs(p["input"]) + p["b0"], p["g0"], p["s0"])
    return swish_norm(h0 @ p["w0"] + p["bb"] + h0, p["g1"], p["s1"])


def normal(z, mean, logs):
    return np.exp(-((z - mean) ** 2) / 2 / np.exp(logs)) / np.sqrt(2 * np.pi * np.exp(logs))


def recvae(p, noise, old):
    mean, logs, z = vae_front(p, noise, recvae_layers)
    old_moments = recvae_layers(old) @ old["w1"] + old["b1"]
    prior = (
        3 / 20 * normal(z, 0, 0)
        + 3 / 4 * normal(z, old_moments[:, :LATENT], old_moments[:, LATENT:])
        + 1 / 10 * normal(z, 0, 10)
    )
    per_user = (np.log(normal(z, mean, logs)) - np.log(prior)).sum(axis=1)
    weights = GAMMA * np.array([len(history) for history in HISTORIES])
    return softmax_loss(z @ p["items"].T + p["biases"]), (weights * per_user).sum()


def gate(values, gates):
    return values / (1 + np.exp(-gates))


def gated(z):
    return gate(z[:, : z.shape[1] // 2], z[:, z.shape[1] // 2 :])


def hvamp(p, outer_noise, inner_noise):
    """Two latent layers; the prior of the outer one is what the encoder says of the pseudo-inputs."""
    x, b, last = inputs(p["input"]), p["b0"], 4 * HIDDEN
    value, other, opening, other_opening = (slice(at, at + HIDDEN) for at in range(0, last, HIDDEN))

    def outer(values, gates):
        moments = gate(values + b[value], gates + b[opening]) @ p["wo"] + p["bo"]
        return moments[:, :LATENT], moments[:, LATENT:]

    mean, logs = outer(x[:, value], x[:, opening])
    z2 = mean + outer_noise * np.exp(logs / 2)
    beside = gate(x[:, other] + b[other], x[:, other_opening] + b[other_opening])
    joint = np.hstack([beside, gated(z2 @ p["wi"] + p["bi"])])
    moments = gated(joint @ p["wj"] + p["bj"]) @ p["wm"] + p["bm"]
    mean1, logs1 = moments[:, :LATENT], moments[:, LATENT:]
    z1 = mean1 + inner_noise * np.exp(logs1 / 2)
    given = gated(z2 @ p["wp"] + p["bp"]) @ p["wg"] + p["bg"]
    mean0, logs0 = given[:, :LATENT], given[:, LATENT:]
    inner = 0.5 * (logs0 - logs1 + (np.exp(logs1) + (mean1 - mean0) ** 2) / np.exp(logs0) - 1).sum()
    means, all_logs = outer(p["pseudo"][:, :HIDDEN], p["pseudo"][:, HIDDEN:])
    prior = np.array([np.prod(normal(z2, means[k], all_logs[k]), axis=1) for k in range(COMPONENTS)]).mean(axis=0)
    divergence = inner + (np.log(normal(z2, mean, logs)).sum(axis=1) - np.log(prior)).sum()
    both = np.hstack([gated(z1 @ p["w5"] + p["b5"]), gated(z2 @ p["w6"] + p["b6"])])
    h = gated(both @ p["wl"] + p["bl"])
    return softmax_loss(h @ p["items"].T + p["biases"]), BETA * divergence


def gradient(loss, p, name):
    out = np.zeros(p[name].shape)
    flat, to = p[name].reshape(-1), out.reshape(-1)
    for at in range(flat.size):
        kept, step = flat[at], 1e-5
        flat[at] = kept + step
        above = sum(loss(p))
        flat[at] = kept - step
        to[at] = (above - sum(loss(p))) / (2 * step)
        flat[at] = kept
    return out


def array(name, values):
    values = np.asarray(values).reshape(-1)
    print(f"static const double {name}[{len(values)}] = {{")
    for row in range(0, len(values), 6):
        print("    " + ", ".join(f"{x:.9g}" for x in values[row : row + 6]) + ",")
    print("};")


def model(name, p, stacks, loss):
    """stacks: which of the parameters lie behind each other in the network's stacks."""
    print(f"/* {name} */")
    for part in ("input", "items", "biases"):
        array(f"{name}_{part}", p[part])
        array(f"{name}_d_{part}", gradient(loss, p, part))
    for stack, parts in stacks.items():
        array(f"{name}_{stack}", np.concatenate([p[part].reshape(-1) for part in parts]))
        array(f"{name}_d_{stack}", np.concatenate([gradient(loss, p, part).reshape(-1) for part in parts]))
    reconstruction, divergence = loss(p)
    print(f"static const double {name}_losses[2] = {{{reconstruction:.12g}, {divergence:.12g}}};")


print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by autoencoder.py beside this file. */")
print(f"enum {{ GOLDEN_USERS = {USERS}, GOLDEN_ITEMS = {ITEMS}, GOLDEN_HIDDEN = {HIDDEN}, GOLDEN_LATENT = {LATENT} }};")
print(f"enum {{ GOLDEN_SEED = {SEED}, GOLDEN_COMPONENTS = {COMPONENTS} }};")
print(f"static const double golden_beta = {BETA}, golden_gamma = {GAMMA};")

p = {"input": draw(ITEMS, LATENT), "b0": draw(LATENT), "items": draw(ITEMS, LATENT), "biases": draw(ITEMS)}
model("dae", p, {"encoder": ["b0"]}, dae)



def noise_of(layer):
    return np.array(
        [[normal_number(SEED, 27, (2 * n + layer) * LATENT + j) for j in range(LATENT)] for n in range(USERS)]
    )


noise = noise_of(0)
p = {
    "input": draw(ITEMS, HIDDEN),
    "b0": draw(HIDDEN),
    "w1": draw(HIDDEN, 2 * LATENT),
    "b1": draw(2 * LATENT),
    "w2": draw(LATENT, HIDDEN),
    "b2": draw(HIDDEN),
    "items": draw(ITEMS, HIDDEN),
    "biases": draw(ITEMS),
}
model("vae", p, {"encoder": ["b0", "w1", "b1"], "decoder": ["w2", "b2"]}, lambda p: vae(p, noise))


def recvae_parameters():
    return {
        "input": draw(ITEMS, HIDDEN),
        "b0": draw(HIDDEN),
        "g0": 1 + draw(HIDDEN),
        "s0": draw(HIDDEN),
        "w0": draw(HIDDEN, HIDDEN),
        "bb": draw(HIDDEN),
        "g1": 1 + draw(HIDDEN),
        "s1": draw(HIDDEN),
        "w1": draw(HIDDEN, 2 * LATENT),
        "b1": draw(2 * LATENT),
        "items": draw(ITEMS, LATENT),
        "biases": draw(ITEMS),
    }


LAYERS = ["b0", "g0", "s0", "w0", "bb", "g1", "s1", "w1", "b1"]
old = recvae_parameters()
array("recvae_old_input", old["input"])
array("recvae_old_encoder", np.concatenate([old[part].reshape(-1) for part in LAYERS]))
p = recvae_parameters()
model("recvae", p, {"encoder": LAYERS}, lambda p: recvae(p, noise, old))

H2 = 2 * HIDDEN
p = {
    "input": draw(ITEMS, 2 * H2),
    "b0": draw(2 * H2),
    "wo": draw(HIDDEN, 2 * LATENT),
    "bo": draw(2 * LATENT),
    "wi": draw(LATENT, H2),
    "bi": draw(H2),
    "wj": draw(H2, H2),
    "bj": draw(H2),
    "wm": draw(HIDDEN, 2 * LATENT),
    "bm": draw(2 * LATENT),
    "wp": draw(LATENT, H2),
    "bp": draw(H2),
    "wg": draw(HIDDEN, 2 * LATENT),
    "bg": draw(2 * LATENT),
    "w5": draw(LATENT, H2),
    "b5": draw(H2),
    "w6": draw(LATENT, H2),
    "b6": draw(H2),
    "wl": draw(H2, H2),
    "bl": draw(H2),
    "pseudo": draw(COMPONENTS, H2),
    "items": draw(ITEMS, HIDDEN),
    "biases": draw(ITEMS),
}
stacks = {
    "front": ["b0"],
    "outer": ["wo", "bo"],
    "inner": ["wi", "bi"],
    "joint": ["wj", "bj", "wm", "bm"],
    "prior": ["wp", "bp", "wg", "bg"],
    "from_inner": ["w5", "b5"],
    "from_outer": ["w6", "b6"],
    "last": ["wl", "bl"],
    "pseudo": ["pseudo"],
}
model("hvamp", p, stacks, lambda p: hvamp(p, noise, noise_of(1)))
p = {
    "input": draw(ITEMS, HIDDEN),
    "b0": draw(HIDDEN),
    "w1": draw(HIDDEN, 2 * LATENT),
    "b1": draw(2 * LATENT),
    "items": draw(ITEMS, LATENT),
    "biases": draw(ITEMS),
}
model("linear", p, {"encoder": ["b0", "w1", "b1"]}, lambda p: linear_vae(p, noise))
