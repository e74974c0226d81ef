#!/bin/sh
# symbols: what the libraries export, and which room talks to the machine.
#
#   symbols.sh HEADER STATIC SHARED REST
#
# HEADER is mneme.h, STATIC and SHARED are the libraries, REST is the library without src/os:
#   1. every name that the static library defines for others begins with mn_, so that it cannot
#      collide with a name of the program it is linked into, least of all replace its malloc; and
#      it uses no mn_ name that it does not define;
#   2. the shared library exports exactly the functions that mneme.h declares MN_API: what is
#      declared works;
#   3. outside src/os nobody calls the system: no file, map, clock, random number or process;
#   4. an object kernel_LEVEL.o, made for one level of processors, defines mn_kernels_LEVEL and no
#      other name: the linker could take such a function for everybody and crash older machines;
#   5. no planted bug (src/base/plant.h) is in either library: not its switch, not its name.
set -eu
export LC_ALL=C

header=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain() {
    printf 'symbols: %s:\n' "$1" >&2
    sed 's/^/    /' "$2" >&2
    failed=1
}

# Prints the names in the third column of nm's listing of one file.
names() {
    nm -P "$@" 2>/dev/null | awk 'NF >= 2 && $1 !~ /:$/ { print $1 }' | sort -u
}

names -g --defined-only "$1" >"$work/static"
[ -s "$work/static" ] || { echo "symbols: $1 defines nothing" >&2; exit 1; }
grep -v '^mn_' "$work/static" >"$work/foreign" || true
[ -s "$work/foreign" ] && complain "the static library defines names without mn_" "$work/foreign"

names -u "$1" | grep '^mn_' >"$work/wanted" || true
comm -23 "$work/wanted" "$work/static" >"$work/undefined"
[ -s "$work/undefined" ] && complain "the static library lacks names it uses" "$work/undefined"

names -D --defined-only "$2" | sed 's/@.*//' >"$work/exported"
tr '\n' ' ' <"$header" | sed 's/MN_API/\
MN_API/g' | sed -n 's/^MN_API [^(;]*[ *]\(mn_[a-z0-9_]*\)(.*/\1/p' | sort -u >"$work/declared"
comm -23 "$work/exported" "$work/declared" >"$work/extra"
[ -s "$work/extra" ] && complain "the shared library exports what mneme.h does not" "$work/extra"
comm -13 "$work/exported" "$work/declared" >"$work/lacking"
[ -s "$work/lacking" ] && complain "mneme.h declares what no library exports" "$work/lacking"

names -u "$3" | sed 's/@.*//; s/^__\(.*\)_chk$/\1/; s/^__\(.*\)_2$/\1/; s/64$//' |
    sort -u >"$work/used"
tr ' ' '\n' <<'END' | grep . | sort -u >"$work/system"
open openat creat close dup dup2 pipe pipe2 fopen freopen fdopen fclose opendir readdir
read readv pread preadv write writev pwrite pwritev pwritev2 fread fwrite fgets getline fseek ftell
fsync fdatasync sync syncfs sync_file_range msync ftruncate truncate fallocate posix_fallocate
mmap munmap mremap mprotect madvise posix_fadvise mincore mlock
stat fstat lstat fstatat statx statfs fstatfs access faccessat lseek fcntl ioctl flock lockf
rename renameat renameat2 unlink unlinkat link linkat symlink remove mkdir mkdirat rmdir
mkstemp mkostemp mkdtemp tmpfile realpath readlink getcwd chdir
clock_gettime gettimeofday time clock nanosleep clock_nanosleep usleep sleep sched_yield
getrandom getentropy rand random srand srandom rand_r arc4random syscall
fork vfork execv execve execvp system popen posix_spawn waitpid kill raise signal sigaction
pthread_create exit _exit _Exit
END
comm -12 "$work/used" "$work/system" >"$work/machine"
[ -s "$work/machine" ] && complain "calls to the system outside src/os" "$work/machine"

nm -A -P -g --defined-only "$1" 2>/dev/null |
    sed -n 's/^.*[/[]kernel_\([a-z0-9]*\)\.o\]*: \([^ ]*\) .*/\1 \2/p' |
    awk '$2 != "mn_kernels_" $1' >"$work/kernels"
[ -s "$work/kernels" ] && complain "a kernel object defines more than its table" "$work/kernels"

names "$1" "$2" | grep -i 'planted' >"$work/planted" || true
for library in "$1" "$2"; do
    if grep -a -q 'COMMIT_NO_SYNC\|MN_PLANT' "$library"; then echo "$library" >>"$work/planted"; fi
done
[ -s "$work/planted" ] && complain "planted bugs are in the libraries" "$work/planted"

exit $failed
