#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# TREC run and qrels files: every metric computed from them by an independent script is the one that topn says.
. "$(dirname "$0")/lib.bash"

make_events 200 60 14 >events.csv
good split events.csv --protocol weak --test-share 0.3 -o split
golden=$TOPN_SOURCE/tests/golden/trec_metrics.py
metrics=precision@5,recall@10,recall-capped@10,hit@3,ap@10,ndcg@20,mrr@20,auc,coverage,novelty@10,catalogue-coverage@10,gini@10

# No metric is left out.
good methods --kind metric --format csv
[ "$(tail -n +2 stdout | wc -l)" = "$(tr , '\n' <<<"$metrics" | wc -l)" ] || fault "a metric is not in the list"

# itemknn has many equal scores and items without one, ease has neither.
for method in itemknn ease popularity; do
    good train "$method" split/train.tsv -o model
    good evaluate model --split split/test --metrics $metrics --format json --trec-run run --trec-qrels qrels --trec-depth 0
    cp stdout report.json
    good evaluate model --split split/test --metrics $metrics --include-seen --trec-run run-seen --trec-depth 0
    /usr/bin/python3 "$golden" run qrels split/train.tsv report.json run-seen >said || fault "$method: $(cat said)"
    has said '^12 metrics, 0 faults'
done

# What the files say is what the options ask for.
good evaluate model --split split/test --metrics recall@5 --trec-run short --trec-depth 3
[ "$(cut -d' ' -f1 short | sort | uniq -c | awk '{print $1}' | sort -u)" = 3 ] || fault "not three items a user"
good evaluate model --split split/test --metrics recall@5 --trec-run -
has stdout '^u1 Q0 i[0-9]* 1 [0-9.]* topn$'

# Ids with blanks keep the columns apart.
printf 'user,item\nthe one,a 100%%\nthe one,b\nthe one,c\nx,b\nx,c\ny,a 100%%\n' >blanks.csv
printf 'user,item\nthe one,unknown\nx,a 100%%\n' >hidden.csv
good train popularity blanks.csv -o model
good evaluate model --seen blanks.csv --hidden hidden.csv --metrics recall@1 --trec-run run --trec-qrels qrels
has qrels '^x 0 a%20100%25 1$'
has qrels '^the%20one 0 unknown 1$'
has run '^x Q0 a%20100%25 1 '
good evaluate model --seen blanks.csv --hidden hidden.csv --metrics recall@1 --trec-qrels qrels --unknown-items drop
lacks qrels unknown

refused 2 'of one model' evaluate model model --split split/test --trec-run r
refused 2 'per-context' evaluate model --split split/test --trec-run r --per-context yes
refused 2 'trec-depth' evaluate model --split split/test --trec-run r --trec-depth many
refused 1 'no/such' evaluate model --split split/test --trec-run no/such/run
