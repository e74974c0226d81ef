#!/bin/sh
# branches: how many lines and branches of os, store and btree the tests run; what the others are.
#
#   sh src/tool/branches.sh [FOLDER]
#
# Needs gcc, gcov, re2c, lemon and cmocka. The whole library is compiled, these three rooms with
# counters, without sanitizers and without assertions. Most tests run on it, the crash explorer for
# a minute, the long form of test_faults, and four fuzz targets with 2,000 inputs each. Then each
# branch that was never taken is put down to the first rule of branches.txt that fits; one that none
# fits is counted as unexplained. FOLDER keeps the listings of gcov, and `untaken`: kind, file and
# line, function, condition and line of each. --again FOLDER counts once more what lies there.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
again=
[ "${1:-}" = --again ] && again=1 && shift
work=${1:-$(mktemp -d)}
mkdir -p "$work/run"
cd "$work"
export MNEME_TEST_SOURCE="$root" MNEME_TEST_SEED=1

cat >flags <<F
-std=gnu11 -w -g -DNDEBUG -D_GNU_SOURCE -fno-strict-aliasing -pthread -DMN_VERSION_TEXT=\\"x\\"
-I$root/src -I$root/include -I$root/tests -I$root/fuzz -I$work/grammar
F

# A child that ends by _exit writes its counters too.
exit_with_counters() {
    cat >exit.c <<'C'
void __gcov_dump(void);
_Noreturn void __real__exit(int code);
_Noreturn void __wrap__exit(int code);
_Noreturn void __wrap__exit(int code)
{
    __gcov_dump();
    __real__exit(code);
}
C
    gcc @flags -c exit.c -o exit.o
}

library() {
    mkdir -p grammar
    lemon -q -l -d"$work/grammar" "$root/grammar/query.y"
    for file in "$root"/grammar/*.re; do
        re2c -W -i --no-generation-date -b -o "grammar/$(basename "$file" .re).c" "$file"
    done
    find "$root/src" -name '*.c' ! -path '*/shell/*' ! -path '*/tool/*' ! -name kernel_impl.c |
        while read -r file; do
            name=$(echo "${file#"$root"/src/}" | tr / -)
            level=-O1
            case $name in
            os-* | store-* | btree-*) level='-O0 --coverage' ;;
            *_avx2.c) level='-O1 -mavx2 -mfma -mf16c' ;;
            *_avx512.c) level='-O1 -mavx512f' ;;
            esac
            echo "gcc @flags $level -c $file -o ${name%.c}.o"
        done >commands
    for file in grammar/*.c; do
        echo "gcc @flags -O1 -c $file -o grammar-$(basename "$file" .c).o" >>commands
    done
    for file in "$root"/tests/support/*.c; do
        echo "gcc @flags -O1 -c $file -o support-$(basename "$file" .c).o" >>commands
    done
    avx2='-mavx2 -mfma -mf16c'
    avx512="$avx2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni"
    for level in "baseline " "avx2 $avx2" "avx512 $avx512"; do
        echo "gcc @flags -O1 ${level#* } -DMN_KERNEL_LEVEL=${level%% *}" \
            "-c $root/src/index/vector/kernel_impl.c -o kernel-${level%% *}.o" >>commands
    done
    tr '\n' '\0' <commands | xargs -0 -n1 -P2 sh -c
    rm -f rooms.a support.a
    ar rcs support.a support-*.o
    ar rcs rooms.a os-*.o store-*.o btree-*.o $(ls ./*-*.o |
        grep -v -e /os- -e /store- -e /btree- -e /support-)
}

link() { # name, sources
    name=$1
    shift
    gcc @flags -O1 --coverage -Wl,--wrap=_exit "$@" exit.o support.a rooms.a support.a \
        -lcmocka -ldl -lm -o "$name"
}

# Not those that need a shell, data sets or other builds, and no rooms that lie beside these three.
wanted() {
    case $1 in
    sim_* | test_base_* | test_os_* | test_store_* | test_tree* | test_row*) return 0 ;;
    test_sim_*) return 0 ;;
    test_process_* | test_history_* | test_query_* | test_api_* | test_copy_*) return 0 ;;
    test_vector_levels | test_vector_kernel) return 1 ;;
    test_vector_* | test_schema* | test_faults | test_recover | test_compact) return 0 ;;
    test_space_growth | test_sql_model | test_sorter) return 0 ;;
    esac
    return 1
}

programs() {
    for file in "$root"/tests/*.c; do
        name=$(basename "$file" .c)
        wanted "$name" || continue
        link "$name" "$file"
        (cd run && timeout 900 "../$name" >"../$name.log" 2>&1) || echo "$name failed"
    done
    (cd run && timeout 900 ../sim_crash --seconds 60 >../sim_crash_60.log 2>&1) ||
        echo "sim_crash failed"
    (cd run && MNEME_TEST_DEEP=1 timeout 1800 ../test_faults >../test_faults_deep.log 2>&1) ||
        echo "test_faults failed"
    for target in image ops fault crash; do
        link "fuzz_$target" "$root/fuzz/fuzz_$target.c" "$root/fuzz/driver.c" \
            "$root"/fuzz/support/*.c
        timeout 900 "./fuzz_$target" "$root/fuzz/corpus/$target" 1 2000 \
            >"fuzz_$target.log" 2>&1 || echo "fuzz_$target failed"
    done
}

if [ -z "$again" ]; then
    exit_with_counters
    library
    programs
fi
gcov -p -b -c os-*.gcda store-*.gcda btree-*.gcda >summary 2>/dev/null
awk '
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
    }' summary
# Of a line with several conditions the one that the branch is of: gcov lists two branches each.
for file in *src#os#*.c.gcov *src#store#*.c.gcov *src#btree#*.c.gcov; do
    name=$(echo "$file" | sed 's/.*#src#//; s/#/\//; s/\.gcov$//')
    awk -v name="$name" '
        function line_end(    part, terms, i, head) {
            head = text
            if (head ~ /^for \(.*;.*;/) { split(head, part, /;/); head = part[2] }
            sub(/ *(&&|\|\|)$/, "", head)
            terms = split(head, part, / (&&|\|\|) ?|\? /)
            for (i = 0; i < count; i++) {
                if (!never[i]) continue
                head = count == 2 * terms ? part[int(i / 2) + 1] : text
                sub(/^ +/, "", head)
                print name "\t" function_name "\t" line "\t" head "\t" text
            }
            count = 0
        }
        /^branch / { never[count++] = $3 != "taken" || $4 + 0 == 0; next }
        /^(call|unconditional) / { next }
        { line_end() }
        /^function / { function_name = $2; next }
        /^ *[^:]+: *[0-9]+:/ {
            text = $0
            sub(/^ *[^:]+: */, "", text)
            line = text + 0
            sub(/^[0-9]+:[ \t]*/, "", text)
        }
        END { line_end() }' "$file"
done >branches
awk -F '\t' '
    NR == FNR { if ($0 !~ /^#/ && NF >= 3) { kind[++n] = $1; file[n] = $2; text[n] = $3 } next }
    {
        found = "unexplained"
        for (i = 1; i <= n; i++) {
            if ($1 "/" $2 ~ file[i] && $4 ~ text[i]) { found = kind[i]; break }
        }
        room = substr($1, 1, index($1, "/") - 1)
        count[found, room]++
        seen[found]
        print found "\t" $1 ":" $3 "\t" $2 "\t" $4 "\t" $5 >"untaken"
    }
    END {
        printf "\n%-44s %6s %6s %6s\n", "never taken", "os", "store", "btree"
        for (k in seen) {
            line = sprintf("%-44s %6d %6d %6d", k, count[k, "os"], count[k, "store"],
                           count[k, "btree"])
            print line | "sort"
        }
    }' "$root/src/tool/branches.txt" branches
