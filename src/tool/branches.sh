#!/bin/sh
# branches: how many lines and branches of os, store and btree the tests of these rooms run.
#
#   sh src/tool/branches.sh [FOLDER]
#
# Needs gcc, gcov and cmocka. The rooms below the catalogue are compiled with counters, without
# sanitizers and without assertions; tests of these rooms, and the corpora of the fuzz
# targets image and ops, run on them. FOLDER keeps the listings of gcov: a line with #### or
# "never executed" was not run, "branch N taken 0" was never taken.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
work=${1:-$(mktemp -d)}
mkdir -p "$work"
cd "$work"
export MNEME_TEST_SOURCE="$root" MNEME_TEST_SEED=1

include="-I$root/src -I$root/include -I$root/tests -I$root/fuzz"
flags="-std=c11 -w -g -DNDEBUG -D_GNU_SOURCE -fno-strict-aliasing -pthread $include"
for file in "$root"/src/base/*.c "$root"/src/os/*.c "$root"/src/store/*.c "$root"/src/btree/*.c; do
    room=$(basename "$(dirname "$file")")
    level=
    case $file in *_avx2.c) level="-mavx2 -mfma -mf16c" ;; esac
    gcc $flags $level -O0 --coverage -c "$file" -o "$room-$(basename "$file" .c).o"
done
for file in "$root"/tests/support/*.c; do
    gcc $flags -O1 -c "$file" -o "support-$(basename "$file" .c).o"
done
ar rcs rooms.a base-*.o os-*.o store-*.o btree-*.o
ar rcs support.a support-*.o
for file in "$root"/tests/test_os_*.c "$root"/tests/test_store_*.c "$root"/tests/test_tree*.c \
    "$root"/tests/test_sim_commit.c "$root"/tests/test_sim_trees.c "$root"/tests/test_base_*.c \
    "$root"/tests/test_history_threads.c "$root"/tests/test_process_history.c \
    "$root"/tests/test_space_growth.c; do
    name=$(basename "$file" .c)
    gcc $flags -O1 --coverage "$file" support.a rooms.a -lcmocka -ldl -lm -o "$name" 2>/dev/null ||
        continue # it needs more rooms
    timeout 900 "./$name" >"$name.log" 2>&1 || echo "$name failed"
done
for target in image ops; do
    gcc $flags -O1 --coverage "$root/fuzz/fuzz_$target.c" "$root/fuzz/driver.c" rooms.a -ldl -lm \
        -o "fuzz_$target"
    "./fuzz_$target" "$root/fuzz/corpus/$target" 1 2000 || true
done
gcov -p -b -c os-*.gcda store-*.gcda btree-*.gcda 2>/dev/null | awk '
    /^File / { name = $0; wanted = name ~ /src\/(os|store|btree)\/[a-z_]*\.c/; next }
    !wanted { next }
    /^Lines executed/ { split($0, part, /[:%]| of /); lines = part[4]; run = part[2] }
    /^Taken at least once/ {
        split($0, part, /[:%]| of /)
        wanted = 0
        sub(/.*\/src\//, "", name)
        name = substr(name, 1, length(name) - 1)
        room = substr(name, 1, index(name, "/") - 1)
        all[room] += lines; done[room] += run * lines / 100
        branches[room] += part[4]; taken[room] += part[2] * part[4] / 100
        printf "%-28s %6.1f %% of %4d lines %6.1f %% of %4d branches\n", name, run, lines, part[2],
               part[4]
    }
    END {
        for (room in all) {
            printf "%-28s %6.1f %% of %4d lines %6.1f %% of %4d branches\n", "src/" room,
                   100 * done[room] / all[room], all[room], 100 * taken[room] / branches[room],
                   branches[room]
        }
    }'
