# SPDX-License-Identifier: Apache-2.0
# The look of every plot: `output` and `table` are set by experiments/lib.bash, the commands that draw follow.
set terminal svg size 760,480 dynamic font "Helvetica,13" background "white"
set output output
set datafile separator "\t"
set border 3 linecolor rgb "#444444"
set tics nomirror textcolor rgb "#222222"
set grid linecolor rgb "#dddddd" linetype 1
set key outside right top vertical samplen 2 spacing 1.3
set style line 1 linecolor rgb "#1f77b4" linewidth 2 pointtype 7 pointsize 0.7
set style line 2 linecolor rgb "#d62728" linewidth 2 pointtype 5 pointsize 0.7
set style line 3 linecolor rgb "#2ca02c" linewidth 2 pointtype 9 pointsize 0.8
set style line 4 linecolor rgb "#9467bd" linewidth 2 pointtype 11 pointsize 0.8
set style line 5 linecolor rgb "#ff7f0e" linewidth 2 pointtype 13 pointsize 0.8
set style line 6 linecolor rgb "#8c564b" linewidth 2 pointtype 3 pointsize 0.8
set style line 7 linecolor rgb "#17becf" linewidth 2 pointtype 2 pointsize 0.8
set style line 8 linecolor rgb "#7f7f7f" linewidth 2 pointtype 1 pointsize 0.8
set style increment user
# The different first cells of the table, quoted, as a list of words; and the heading with the rows of one of them.
names = system("tail -n +2 '".table."' | cut -f1 | awk '!seen[$0]++ { printf \"\\\"%s\\\" \", $0 }'")
rows(name) = sprintf("< awk -F'\\t' 'NR == 1 || $1 == \"%s\"' '%s'", name, table)
