#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The preparation of Liang et al. 2018 (notebook VAE_ML20M_WWW2018 of dawenl/vae_cf) written again, without NumPy and
pandas: what tests/cli/preset.sh compares `topn split --preset` with.

usage: notebook_split.py EVENTS MIN_WEIGHT MIN_USER MIN_ITEM HELD_OUT DIR

EVENTS holds user TAB item TAB weight. Writes user TAB item lines, sorted, of the five parts to DIR, and prints the users,
items and events after the filters and on items of the training part. Ids are numbers when all of them are.
"""
import collections
import pathlib
import random
import sys


def generator(seed):
    """32-bit words of MT19937 seeded as numpy.random.seed does."""
    words = [seed]
    for at in range(1, 624):
        words.append((1812433253 * (words[-1] ^ words[-1] >> 30) + at) % 2**32)
    source = random.Random()
    source.setstate((3, tuple(words) + (624,), None))
    return source


def permutation(source, count):
    out = list(range(count))
    for last in range(count - 1, 0, -1):
        mask = 2 ** last.bit_length() - 1
        other = source.getrandbits(32) & mask
        while other > last:
            other = source.getrandbits(32) & mask
        out[last], out[other] = out[other], out[last]
    return out


def order(ids):
    return sorted(ids, key=int) if all(one.isdigit() for one in ids) else sorted(ids)


def fold_in(events, items):
    """(seen, hidden) of a group of users."""
    source = generator(98765)
    seen, hidden = [], []
    groups = collections.defaultdict(list)
    for user, item in events:
        groups[user].append(item)
    for user in order(groups):
        mine = [item for item in items if item in set(groups[user])]
        chosen = set()
        if len(mine) >= 5:
            chosen = set(permutation(source, len(mine))[: int(0.2 * len(mine))])
        for at, item in enumerate(mine):
            (hidden if at in chosen else seen).append((user, item))
    kept = {user for user, _ in hidden}  # who hides nothing cannot be asked
    return [event for event in seen if event[0] in kept], hidden


def main(path, min_weight, min_user, min_item, held_out, folder):
    events = [line.split("\t") for line in pathlib.Path(path).read_text().splitlines()]
    events = [(user, item) for user, item, weight in events if float(weight) >= float(min_weight)]
    per_item = collections.Counter(item for _, item in events)
    events = [event for event in events if per_item[event[1]] >= int(min_item)]
    per_user = collections.Counter(user for user, _ in events)
    events = [event for event in events if per_user[event[0]] >= int(min_user)]
    users = order({user for user, _ in events})
    print(len(users), len({item for _, item in events}), len(events))

    users = [users[at] for at in permutation(generator(98765), len(users))]
    held_out = int(held_out)
    train_users = set(users[: len(users) - 2 * held_out])
    validation_users = set(users[len(users) - 2 * held_out : len(users) - held_out])
    train = [event for event in events if event[0] in train_users]
    known = {item for _, item in train}
    items = order(known)
    events = [event for event in events if event[1] in known]
    print(len(users), len(known), len(events))

    parts = {"train": train}
    held = [event for event in events if event[0] not in train_users]
    parts["validation-seen"], parts["validation-hidden"] = fold_in([e for e in held if e[0] in validation_users], items)
    parts["test-seen"], parts["test-hidden"] = fold_in([e for e in held if e[0] not in validation_users], items)
    for name, part in parts.items():
        pathlib.Path(folder, name).write_text("".join(sorted(f"{user}\t{item}\n" for user, item in part)))


main(*sys.argv[1:])
