#!/bin/sh
# run: lets one libFuzzer program search for a bounded time.
#
#   run.sh PROGRAM CORPUS WORK SECONDS SEED
#
# The corpus of the tree is read only; what is found new goes to WORK/corpus, an input that brings
# the program down to WORK/. To keep a finding for ever, copy its file into CORPUS.
set -eu

program=$1 corpus=$2 work=$3 seconds=$4 seed=$5

case $program in
/*) ;;
*) program=$PWD/$program ;;
esac
rm -rf "$work"
mkdir -p "$work/corpus"
[ -d "$corpus" ] || corpus=
cd "$work"
"$program" -max_total_time="$seconds" -seed="$seed" -timeout=20 -entropic=0 -rss_limit_mb=2048 \
    -artifact_prefix="$work/" -print_final_stats=1 corpus $corpus >log 2>&1 || {
    tail -n 60 log
    exit 1
}
awk '/number_of_executed_units/ { runs = $2 } END { print runs " inputs tried, no finding" }' log
