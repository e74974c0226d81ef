/*
 * test: the world outside a test program, as build.zig hands it over in the environment.
 */
#include "support/test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, FOLDERS_MAX = 1024 };

static char folders[FOLDERS_MAX][64];
static int folder_count;
static pid_t folder_owner;

uint64_t test_seed(void)
{
    const char *text = getenv("MNEME_TEST_SEED");

    return text ? strtoull(text, NULL, 0) : 1;
}

bool test_is_deep(void)
{
    return getenv("MNEME_TEST_DEEP") != NULL;
}

static const char *below(const char *variable, const char *relative)
{
    static char paths[4][PATH_BYTES];
    static unsigned next;
    char *path = paths[next++ % 4];
    const char *root = getenv(variable);

    snprintf(path, PATH_BYTES, "%s/%s", root ? root : ".", relative);
    return path;
}

const char *test_data(const char *relative)
{
    const char *path = below("MNEME_TEST_DATA", relative);

    return access(path, R_OK) == 0 ? path : NULL;
}

const char *test_source(const char *relative)
{
    return below("MNEME_TEST_SOURCE", relative);
}

const char *test_shell(void)
{
    return getenv("MNEME_TEST_SHELL");
}

const char *test_prefix(void)
{
    return getenv("MNEME_TEST_PREFIX");
}

static int entry_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    remove(path);
    return 0;
}

static void folders_remove(void)
{
    if (getpid() != folder_owner) return; /* a forked child leaves its parent's files alone */
    for (int i = 0; i < folder_count; i++) {
        nftw(folders[i], entry_remove, 8, FTW_DEPTH | FTW_PHYS);
    }
}

const char *test_folder(void)
{
    char *folder;

    if (folder_count == FOLDERS_MAX) fail_msg("more than %d test folders", FOLDERS_MAX);
    if (folder_count == 0) {
        folder_owner = getpid();
        atexit(folders_remove);
    }
    folder = folders[folder_count++];
    strcpy(folder, "/tmp/mneme-test-XXXXXX");
    if (!mkdtemp(folder)) fail_msg("cannot make a folder in /tmp");
    return folder;
}

uint64_t test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}
