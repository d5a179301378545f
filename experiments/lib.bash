# SPDX-License-Identifier: Apache-2.0
#
# What the experiments share: data made ready, models trained, pruned and measured, tables and plots. Sourced, not run.
#
#   TOPN        the program                            (build/release/topn)
#   OUT         folder for all that an experiment writes (build/experiments/NAME)
#   TEST_USERS  users held out of training, of each kind (1000)
#   PART        validation or test: whom models are judged on (validation, so that the test users stay unseen)
#   READER      options of the reader, such as "--min-weight 4"
#   L2          ridge, where it is not an argument       (500)
#   OPTIONS     options of every method, such as "--user-weight-exponent 0.5 --ridge-exponent 0.5"
set -euo pipefail
experiments=$(dirname "${BASH_SOURCE[0]}")
topn=${TOPN:-$experiments/../build/release/topn}
latency_program=${LATENCY:-$(dirname "$topn")/bench/latency}
test_users=${TEST_USERS:-1000} part=${PART:-validation}
export OMP_WAIT_POLICY=passive

complain() {
    echo "${0##*/}: $*" >&2
}

# usage LINE: what the script takes, to standard error.
usage() {
    echo "usage: $0 $1" >&2
    exit 2
}

# begin NAME: the folder to write to.
begin() {
    name=$1
    out=${OUT:-build/experiments/$name}
    mkdir -p "$out"
    [ -x "$topn" ] || { complain "no program $topn; build it or set TOPN" && exit 1; }
    case $part in validation | test) ;; *) complain "PART is \"$part\", not validation or test" && exit 2 ;; esac
}

# prepare DATA: sets `train`, `seen` and `hidden`. DATA is a file of events, split by strong generalisation; or a folder
# that `topn split` wrote; or a folder with train.txt and test.txt, whose validation part is a fifth of train.txt.
prepare() {
    local data=$1 reader=()
    read -ra reader <<<"${READER:-}"
    split=$out/split
    [ -f "$data/train.tsv" ] || rm -rf "$split"
    if [ -f "$data/train.txt" ] && [ "$part" = test ]; then
        train=$data/train.txt seen=$data/train.txt hidden=$data/test.txt
        items=$(item_count "$train")
        return
    elif [ -f "$data/train.txt" ]; then
        "$topn" split "$data/train.txt" --protocol weak --validation-share 0.2 --test-share 0 --seed 1 -o "$split" \
            --quiet >"$out/split.txt"
    elif [ -f "$data/train.tsv" ]; then
        split=$data
    else
        "$topn" split "$data" "${reader[@]}" --protocol strong --test-users "$test_users" --validation-users \
            "$test_users" --seed 1 -o "$split" --quiet >"$out/split.txt"
    fi
    train=$split/train.tsv seen=$split/$part-seen.tsv hidden=$split/$part-hidden.tsv
    items=$(item_count "$train")
}

item_count() {
    "$topn" describe "$1" --format csv --quiet | awk -F, '$1 == "items" { print $2 }'
}

# has_method NAME: says so when this program has no such method; its rows are left out then.
has_method() {
    "$topn" methods "$1" >"$out/method.txt" 2>&1 && return
    complain "no method $1 in $topn: its rows are left out"
    return 1
}

# choices METHOD OPTION: the values that a choice takes, one a line; nothing when there is no such option.
choices() {
    "$topn" methods "$1" --format csv | awk -F, -v option="--$2" '$1 == option && $3 ~ /\|/ { gsub(/\|/, "\n", $3); print $3 }'
}

# fit MODEL METHOD OPTION…: trains; sets `seconds` (training alone) and `peak` (bytes).
fit() {
    local model=$1 method=$2 options=()
    shift 2
    read -ra options <<<"${OPTIONS:-}"
    [ -z "$(choices "$method" keep-histories)" ] || options+=(--no-keep-histories)
    "$topn" train "$method" "$train" -o "$out/$model" "${options[@]}" "$@" \
        >"$out/train.txt" 2>"$out/messages.txt" || {
        complain "topn train $method $*: $(tail -n 1 "$out/messages.txt")"
        return 1
    }
    seconds=$(awk '$1 == "run.seconds.total" { print $2 }' "$out/train.txt")
    peak=$(awk '$1 == "run.peak-bytes" { print $2 }' "$out/train.txt")
}

# training_seconds FILE: what `topn train` printed into FILE says its sweeps took; all of it where it says no phases.
training_seconds() {
    awk '$1 == "run.seconds.total" { total = $2 }
        $1 ~ /^run\.seconds\.(sampling|scoring|updates|contexts|items|loss)$/ { sum += $2 }
        END { print(sum > 0 ? sum : total) }' "$1"
}

# prune FROM MODEL K [MODE]
prune() {
    "$topn" prune "$out/$1" --k "$3" --mode "${4:-row}" -o "$out/$2" --quiet
}

# measure MODEL METRIC…: sets mean[METRIC], low[METRIC], high[METRIC], and `bytes` of the model's file.
declare -A mean low high
measure() {
    local model=$1 metric value from to
    shift
    mean=() low=() high=()
    "$topn" evaluate "$out/$model" --seen "$seen" --hidden "$hidden" --metrics "$(IFS=, && echo "$*")" \
        --format csv --quiet >"$out/evaluation.csv" || { complain "$model could not be evaluated" && exit 1; }
    while IFS=, read -r _ metric value from to _; do
        mean[$metric]=$value low[$metric]=$from high[$metric]=$to
    done < <(tail -n +2 "$out/evaluation.csv")
    bytes=$(stat -c %s "$out/$model")
    [ -n "${mean[$1]:-}" ] || { complain "$model could not be evaluated" && exit 1; }
}

# answer_time MODEL: median microseconds of one user's top 100, of the users of `seen`; "-" without the program.
answer_time() {
    if [ -x "$latency_program" ]; then
        "$latency_program" "$out/$1" "$seen" 100
    else
        echo -
    fi
}

forget() {
    local model
    for model in "$@"; do
        rm -f "$out/$model"
    done
}

# The table is a file of lines separated by tabs, the first of them the heading. `table FILE HEADING…` begins it, `row
# CELL…` adds and shows a line, aligned to the headings.
table() {
    table_file=$out/$1
    shift
    table_widths=()
    local heading
    for heading in "$@"; do
        table_widths+=($((${#heading} > 9 ? ${#heading} : 9)))
    done
    table_widths[0]=34
    (IFS=$'\t' && echo "$*") >"$table_file"
    show "$@"
}

row() {
    (IFS=$'\t' && echo "$*") >>"$table_file"
    show "$@"
}

show() {
    local column=0 cell
    for cell in "$@"; do
        if [ $column = 0 ]; then
            printf '%-*s' "${table_widths[0]}" "$cell"
        else
            printf '  %*s' "${table_widths[column]}" "$cell"
        fi
        column=$((column + 1))
    done
    printf '\n'
}

# Cells: four digits; per cent of a share; megabytes of bytes; a quotient.
digits() { awk -v x="$1" 'BEGIN { printf "%.4f", x }'; }
percent() { awk -v x="$1" 'BEGIN { printf "%.2f %%", 100 * x }'; }
megabytes() { awk -v x="$1" 'BEGIN { printf (x < 1e7 ? "%.2f" : "%.1f"), x / 1e6 }'; }
product() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.6g", a * b }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.6g", a / b }'; }

# first_at_least LEAST VALUE…: the place, from 1, of the first value that is at least that; nothing when none is.
first_at_least() {
    local least=$1
    shift
    printf '%s\n' "$@" | awk -v least="$least" '$1 >= least - 1e-9 { print NR; exit }'
}

# plot FILE.svg: draws with the gnuplot commands on standard input, in the common look. The variable `table` names the
# table's file.
plot() {
    local svg=$out/$1
    if ! command -v gnuplot >/dev/null; then
        complain "gnuplot is not installed (script/setup experiments): no plot; its numbers are in $table_file"
        cat >/dev/null
        return
    fi
    gnuplot -e "output='$svg'; table='$table_file'" "$experiments/plot.gp" -
    echo "plot: $svg"
}
