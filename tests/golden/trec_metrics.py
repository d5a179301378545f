# SPDX-License-Identifier: Apache-2.0
"""Computes the metrics of docs/metrics.md from TREC run and qrels files, with nothing but the standard library and none
of topn's code, and compares them with what topn says.

usage: trec_metrics.py RUN QRELS TRAIN.tsv REPORT.json [RUN_WITH_SEEN]

The run holds every ranked item of every user (--trec-depth 0). REPORT.json is what `topn evaluate --format json` prints.
RUN_WITH_SEEN, of an evaluation with --include-seen, has the scores of all items, which coverage needs.
"""
import json
import math
import sys
import urllib.parse

LIMIT = 1e-9


def read_run(path):
    """{user: [(item, score)] by rank}; ranks and order must agree, scores must not rise."""
    lists = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            user, q0, item, rank, score, tag = line.split(" ")
            assert q0 == "Q0" and tag == "topn\n", line
            ranked = lists.setdefault(user, [])
            assert int(rank) == len(ranked) + 1, line
            assert not ranked or float(score) <= ranked[-1][1], line
            ranked.append((item, float(score)))
    return lists


def read_qrels(path):
    hidden = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            user, zero, item, grade = line.split(" ")
            assert zero == "0" and grade == "1\n", line
            assert item not in hidden.setdefault(user, set()), line
            hidden[user].add(item)
    return hidden


def popularity(path):
    """Users per item, and how many users there are, of the training events."""
    users, items = set(), {}
    with open(path, encoding="utf-8") as lines:
        head = next(lines).rstrip("\n").split("\t")
        for line in lines:
            row = dict(zip(head, line.rstrip("\n").split("\t")))
            users.add(row["user"])
            item = urllib.parse.quote(row["item"], safe="".join(map(chr, range(33, 127))).replace("%", ""))
            items[item] = items.get(item, 0) + 1
    return items, len(users)


def auc(ranked, relevant):
    """Pairs of a relevant and another ranked item, equal scores one half; relevant items that are not ranked lose."""
    scores = {}
    for item, score in ranked:
        scores.setdefault(score, [0, 0])[item in relevant] += 1
    won, below = 0.0, 0
    for score in sorted(scores):
        others, hits = scores[score]
        won += hits * (below + others / 2)
        below += others
    return won / (len(relevant) * below) if below else 0.5


def of_user(name, n, ranked, relevant):
    top = [item in relevant for item, _ in ranked[:n]]
    hits = sum(top)
    most = min(len(relevant), n)
    if name == "precision":
        return hits / n
    if name == "recall":
        return hits / len(relevant)
    if name == "recall-capped":
        return hits / most
    if name == "hit":
        return float(hits > 0)
    if name == "ap":
        return sum(sum(top[: r + 1]) / (r + 1) for r, hit in enumerate(top) if hit) / most
    if name == "ndcg":
        return sum(1 / math.log2(r + 2) for r, hit in enumerate(top) if hit) / sum(1 / math.log2(r + 2) for r in range(most))
    if name == "mrr":
        return 1 / (top.index(True) + 1) if hits else 0.0
    raise KeyError(name)


def gini(counts):
    counts, total = sorted(counts), sum(counts)
    return sum((2 * (i + 1) - len(counts) - 1) * c for i, c in enumerate(counts)) / (len(counts) * total) if total else 0.0


def value(metric, run, hidden, train, all_scores):
    name, _, n = metric.partition("@")
    n = int(n or 0)
    items, users = train
    if name == "coverage":
        return sum(sum(score != 0 for _, score in ranked) / len(ranked) for ranked in all_scores.values()) / len(all_scores)
    if name in ("catalogue-coverage", "gini"):
        counts = dict.fromkeys(items, 0)
        for ranked in run.values():
            for item, _ in ranked[:n]:
                counts[item] += 1
        shown = sum(count > 0 for count in counts.values()) / len(counts)
        return shown if name == "catalogue-coverage" else gini(counts.values())
    if name == "novelty":
        surprise = {item: -math.log2(count / users) for item, count in items.items()}
        return sum(sum(surprise[item] for item, _ in ranked[:n]) / len(ranked[:n]) for ranked in run.values()) / len(run)
    if name == "auc":
        return sum(auc(run[user], relevant) for user, relevant in hidden.items()) / len(hidden)
    return sum(of_user(name, n, run[user], relevant) for user, relevant in hidden.items()) / len(hidden)


def main():
    run, hidden = read_run(sys.argv[1]), read_qrels(sys.argv[2])
    train = popularity(sys.argv[3])
    with open(sys.argv[4], encoding="utf-8") as text:
        report = json.load(text)
    all_scores = read_run(sys.argv[5]) if len(sys.argv) > 5 else {}
    assert set(run) == set(hidden), "the users of run and qrels"
    faults = compared = 0
    for metric, said in report.items():
        if metric == "facts" or (metric == "coverage" and not all_scores):
            continue
        computed = value(metric, run, hidden, train, all_scores)
        compared += 1
        difference = abs(computed - said["mean"])
        if not difference <= LIMIT:
            faults += 1
        print(f"{metric:24} {said['mean']:.12f} {computed:.12f} {difference:.1e}{'' if difference <= LIMIT else '  WRONG'}")
    print(f"{compared} metrics, {faults} faults")
    sys.exit(1 if faults or not compared else 0)


main()
