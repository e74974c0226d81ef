#!/bin/sh
# coverage: how much of src/store and src/btree the corpora of image and ops run by themselves.
#
#   sh fuzz/coverage.sh [RUNS]
#
# Needs gcc and gcov. The rooms below the catalogue are compiled with counters, without sanitizers;
# both targets replay their corpus and, where RUNS is given, as many inputs made from it.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
runs=${1:-0}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for file in "$root"/src/base/*.c "$root"/src/os/*.c "$root"/src/store/*.c "$root"/src/btree/*.c; do
    room=$(basename "$(dirname "$file")")
    level=
    case $file in
    *_avx2.c) level="-mavx2 -mfma -mf16c" ;;
    *_avx512.c) level=-mavx512f ;;
    esac
    gcc -std=c11 -w $level -O0 -g --coverage -D_GNU_SOURCE -fno-strict-aliasing -I"$root/src" \
        -I"$root/include" -c "$file" -o "$room-$(basename "$file" .c).o"
done
for target in image ops; do
    gcc -std=c11 -w -O1 --coverage -D_GNU_SOURCE -I"$root/src" -I"$root/include" -I"$root/fuzz" \
        "$root/fuzz/fuzz_$target.c" "$root/fuzz/driver.c" ./*.o -o "$target" -lpthread -ldl -lm
    "./$target" "$root/fuzz/corpus/$target" 1 "$runs"
done
gcov -n store-*.gcda btree-*.gcda 2>/dev/null | awk '
    /^File / { name = $0; wanted = name ~ /src\/(store|btree)\/[a-z_]*\.c/; next }
    wanted && /^Lines executed/ {
        split($0, part, /[:%]| of /)
        room = name ~ /src\/store\// ? "store" : "btree"
        lines[room] += part[4]
        run[room] += part[2] * part[4] / 100
        wanted = 0
        sub(/.*\/src\//, "", name)
        printf "%-28s %6.1f %% of %d lines\n", substr(name, 1, length(name) - 1), part[2], part[4]
    }
    END {
        for (room in lines) {
            printf "%-28s %6.1f %% of %d lines\n", "src/" room, 100 * run[room] / lines[room],
                   lines[room]
        }
    }'
