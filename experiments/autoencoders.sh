#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The autoencoders beside linear models and matrix factorisation, on users held out of training (strong generalisation):
# recall@20, recall@50 (capped) and NDCG@100 with 95 % intervals, sweeps and seconds of training.
#
#   experiments/autoencoders.sh DATA                      all rows
#   experiments/autoencoders.sh DATA METHOD OPTION…       one row, such as: mult-vae --batch 100 --beta 0.3
#
# Each row takes the setting that is best by NDCG@100 on the validation users, out of a few that stand here: ridges of the
# linear models and of mult-dae, latent values of mult-vae, γ of recvae, widths of hvamp. Sweeps end by early stopping on the same users. READER="--min-weight 4" takes
# ratings of 4 and more as events; BATCH is the autoencoders' (100: small data give few steps else), SWEEPS their most
# (200). Settings: experiments/lib.bash; PART is test here.
PART=${PART:-test}
. "$(dirname "$0")/lib.bash"
[ $# -ge 1 ] || usage "DATA [METHOD OPTION…]"
data=$1
shift
begin autoencoders
prepare "$data"
batch=${BATCH:-100} sweeps=${SWEEPS:-200}
iterated=(--validate "$split/validation" --sweeps "$sweeps" --patience 10)
averaged=("${iterated[@]}" --average 0.9)

# value_of MODEL: NDCG@100 on the validation users.
value_of() {
    local kept_seen=$seen kept_hidden=$hidden
    seen=$split/validation-seen.tsv hidden=$split/validation-hidden.tsv
    measure "$1" ndcg@100
    seen=$kept_seen hidden=$kept_hidden
}

# judge OPTION "VALUE…" METHOD OPTION…: a row; of the values the one that is best on the validation users.
judge() {
    local option=$1 values=$2 value best=-1 chosen='' sweeps_done='' time=''
    shift 2
    has_method "$1" || return 0
    for value in $values; do
        if [ -n "$option" ]; then fit trial "$@" "--$option" "$value"; else fit trial "$@"; fi
        value_of trial
        if awk -v a="${mean[ndcg@100]}" -v b="$best" 'BEGIN { exit !(a > b) }'; then
            best=${mean[ndcg@100]} chosen=$value time=$seconds
            sweeps_done=$(awk '$1 == "train.best-sweep" { print $2 }' "$out/train.txt")
            mv "$out/trial" "$out/best"
        fi
    done
    measure best recall-capped@20 recall-capped@50 ndcg@100
    row "$1${option:+ --$option $chosen}" "$(digits "${mean[recall-capped@20]}")" "$(digits "${mean[recall-capped@50]}")" \
        "$(digits "${mean[ndcg@100]}")" "$(digits "${low[ndcg@100]}")" "$(digits "${high[ndcg@100]}")" \
        "${sweeps_done:--}" "$(digits "$time")" "$(megabytes "$bytes")"
    forget trial best
}

echo "$items items, $part users"
table table.tsv model recall@20 recall@50 NDCG@100 low high sweep seconds MB
if [ $# -gt 0 ]; then
    judge "" once "$@"
    exit
fi
judge l2 "100 200 500 1000" ease
judge l2 "100 200 500 1000" chol
judge l2 "0.001 0.003 0.01" ials "${iterated[@]}" --factors 128
judge l2 "200 300 500" slim
judge l2 "0.0001 0.0003" mult-dae "${averaged[@]}" --batch $((batch / 2)) --dropout 0.6
judge latent "200 300" mult-vae "${averaged[@]}" --batch "$batch" --decoder linear --hidden 200,200 --beta 0.05 --anneal-steps 4000 \
    --dropout 0.6 --l2 0.0001
judge hidden "50 100" hvamp "${averaged[@]}" --batch "$batch" --anneal-steps 4000 --latent 100 --pseudo-inputs 100 --beta 0.3 \
    --learning-rate 0.002
judge beta-per-event "0.003 0.005 0.01" recvae "${averaged[@]}" --batch "$batch"
judge "" once autorec "${iterated[@]}"
