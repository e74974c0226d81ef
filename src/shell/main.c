/*
 * main: arguments, and what they ask for.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell.h"

static const char usage_text[] =
    "usage: mneme [FILE] [SQL ...]          a prompt, a script from standard input, or SQL\n"
    "       mneme check FILE                read and verify every page, tree and index\n"
    "       mneme stat FILE                 facts of a file\n"
    "       mneme dump FILE                 a script that makes the database anew\n"
    "       mneme backup FILE TO            a copy of the newest version, while others write\n"
    "       mneme restore FROM FILE         the backup's checked copy, as a new FILE\n"
    "       mneme compact FILE              full pages and a shorter file, while others work\n"
    "       mneme recover FILE TO           what is sound of a damaged FILE, as a new one\n"
    "\n"
    "FILE is made if it is not there; without FILE the database is in memory.\n"
    "\n"
    "  -c SQL, -f SCRIPT       run these, in order, any number; -f - is standard input\n"
    "  --mode MODE             box, table, csv, tsv, json, ndjson, markdown, line, list\n"
    "  --param NAME=VALUE      for $NAME: 42, 'text', [0.1, 0.2], @file.npy:17, @file.fvecs:17\n"
    "  --readonly              the file is not changed, nor made\n"
    "  --bail, --no-bail       stop at the first failure (default), or go on\n"
    "  --timer                 say how long each statement took\n"
    "  --no-header             rows without names\n"
    "  --null TEXT             what stands for NULL\n"
    "  --color auto|always|never\n"
    "  --version, --help\n"
    "\n"
    "exit status: 0 ok, 1 a statement failed, 2 usage, 3 the file cannot be opened or is damaged,\n"
    "4 busy, 130 interrupted\n";

volatile sig_atomic_t shell_interrupted;

/* The handle that Ctrl-C interrupts. */
static mn_db *volatile running;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    shell_interrupted = 1;
    mn_interrupt(running);
}

void shell_fail(struct shell *shell, int exit_status)
{
    if (shell->exit_status == 0) shell->exit_status = exit_status;
}

int shell_exit_status_of(int code)
{
    switch (code) {
    case MN_OK: return 0;
    case MN_BUSY: return EXIT_BUSY;
    case MN_CORRUPT:
    case MN_NOTADB:
    case MN_VERSION: return EXIT_FILE;
    case MN_INTERRUPT: return EXIT_INTERRUPTED;
    default: return EXIT_STATEMENT;
    }
}

void shell_usage_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("mneme: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\ntry: mneme --help\n", stderr);
    va_end(args);
}

enum action_kind { ACTION_SQL, ACTION_SCRIPT, ACTION_PARAM };

struct action {
    enum action_kind kind;
    const char *text;
};

struct arguments {
    struct action *actions; /* in the order given; words behind the first are SQL */
    size_t action_count;
    const char **words; /* what is no option: the file, or a subcommand, and what follows */
    size_t word_count;
    unsigned open_flags;
    const char *color;
    bool bail, bail_given;
};

enum { ASK_GO_ON = -1 };

static void action_add(struct arguments *a, enum action_kind kind, const char *text)
{
    a->actions[a->action_count++] = (struct action){.kind = kind, .text = text};
}

/* An option without a value; false: it is none. */
static bool flag_take(struct shell *shell, struct arguments *a, const char *name)
{
    if (strcmp(name, "--readonly") == 0) {
        a->open_flags = MN_READONLY;
    } else if (strcmp(name, "--bail") == 0) {
        a->bail = a->bail_given = true;
    } else if (strcmp(name, "--no-bail") == 0) {
        a->bail = false;
        a->bail_given = true;
    } else if (strcmp(name, "--timer") == 0) {
        shell->timer = true;
    } else if (strcmp(name, "--no-header") == 0) {
        shell->header = false;
    } else {
        return false;
    }
    return true;
}

/* An option with a value; an exit status, or ASK_GO_ON. */
static int value_take(struct shell *shell, struct arguments *a, const char *name, const char *value)
{
    if (strcmp(name, "-c") == 0) {
        action_add(a, ACTION_SQL, value);
    } else if (strcmp(name, "-f") == 0) {
        action_add(a, ACTION_SCRIPT, value);
    } else if (strcmp(name, "--param") == 0) {
        action_add(a, ACTION_PARAM, value);
    } else if (strcmp(name, "--since") == 0) {
        fprintf(stderr, "mneme: backup FILE TO --since VERSION comes later\n");
        return EXIT_USAGE;
    } else if (strcmp(name, "--null") == 0) {
        shell->null_text = value;
    } else if (strcmp(name, "--color") == 0) {
        if (strcmp(value, "auto") != 0 && strcmp(value, "always") != 0 &&
            strcmp(value, "never") != 0) {
            shell_usage_error("--color takes auto, always or never");
            return EXIT_USAGE;
        }
        a->color = value;
    } else if (!output_mode_find(value, &shell->mode)) {
        shell_usage_error("no mode \"%s\"", value);
        return EXIT_USAGE;
    }
    return ASK_GO_ON;
}

static const char *const value_options[] = {"-c",     "-f",      "--param", "--null",
                                            "--mode", "--color", "--since", NULL};

/* The option of value_options that the argument is, with "--name=value" or the next argument as its
 * value. */
static const char *value_option(char **argv, int *i, const char **value)
{
    for (size_t o = 0; value_options[o]; o++) {
        const char *name = value_options[o];
        size_t length = strlen(name);
        if (strncmp(argv[*i], name, length) != 0) continue;
        if (argv[*i][length] == '=' && length > 2) {
            *value = argv[*i] + length + 1;
            return name;
        }
        if (argv[*i][length] != '\0') continue;
        *value = argv[*i + 1];
        if (*value) ++*i;
        return name;
    }
    return NULL;
}

static int arguments_read(struct shell *shell, struct arguments *a, int argc, char **argv)
{
    bool options = true;

    for (int i = 1; i < argc; i++) {
        const char *value = NULL;
        if (!options || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (a->word_count > 0) action_add(a, ACTION_SQL, argv[i]);
            a->words[a->word_count++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage_text, stdout);
            return 0;
        } else if (strcmp(argv[i], "--version") == 0) {
            printf("mneme %s\n", mn_version());
            return 0;
        } else if (!flag_take(shell, a, argv[i])) {
            const char *name = value_option(argv, &i, &value);
            if (!name || !value) {
                shell_usage_error(name ? "%s takes a value" : "no option %s", argv[i]);
                return EXIT_USAGE;
            }
            int status = value_take(shell, a, name, value);
            if (status != ASK_GO_ON) return status;
        }
    }
    return ASK_GO_ON;
}

static void color_choose(struct shell *shell, const char *choice)
{
    const char *no_color = getenv("NO_COLOR");

    shell->color = isatty(STDERR_FILENO) && !(no_color && *no_color);
    if (choice && strcmp(choice, "always") == 0) shell->color = true;
    if (choice && strcmp(choice, "never") == 0) shell->color = false;
}

/* What the library notices and nobody asked for, such as rows that COPY left out. */
static void note_print(void *context, int code, const char *message)
{
    struct shell *shell = context;

    (void)code;
    fflush(shell->out);
    fprintf(stderr, "note: %s\n", message);
}

/* A process of one's own may use all processors. */
static int threads_allow(mn_db *db)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    char sql[40];

    if (processors < 2) return MN_OK;
    snprintf(sql, sizeof sql, "PRAGMA threads = %d", processors > 64 ? 63 : (int)processors - 1);
    return mn_exec(db, sql, NULL, NULL);
}

static int shell_open(struct shell *shell, unsigned flags)
{
    mn_options options = {.size = sizeof options,
                          .flags = shell->path ? flags : MN_MEMORY,
                          .log = note_print,
                          .log_context = shell};
    char message[1024];
    int code = mn_open_with(shell->path, &options, &shell->db);

    if (code == MN_OK && threads_allow(shell->db) == MN_OK) {
        running = shell->db;
        progress_attach(shell);
        return 0;
    }
    (void)snprintf(message, sizeof message, "%s", mn_errmsg(NULL));
    error_say(shell, code, message, mn_error_hint(NULL));
    return code == MN_BUSY ? EXIT_BUSY : EXIT_FILE;
}

static int shell_close(struct shell *shell)
{
    running = NULL;
    if (shell->db && mn_close(shell->db) != MN_OK) {
        error_say(shell, mn_errcode(shell->db), mn_errmsg(shell->db), NULL);
        shell_fail(shell, EXIT_FILE);
    }
    shell->db = NULL;
    if (shell->out && (fflush(shell->out) != 0 || ferror(shell->out))) {
        if (!shell->exit_status) fprintf(stderr, "mneme: cannot write to standard output\n");
        shell_fail(shell, EXIT_STATEMENT);
    }
    return shell->exit_status;
}

struct tool {
    const char *name;
    size_t words; /* behind the name */
    bool opens;   /* the first of them */
    bool later;   /* comes with a later version */
    const char *synopsis;
};

static const struct tool tools[] = {
    {"check", 1, true, false, "check FILE"},
    {"stat", 1, true, false, "stat FILE"},
    {"dump", 1, true, false, "dump FILE"},
    {"backup", 2, true, false, "backup FILE TO"},
    {"restore", 2, false, false, "restore FROM FILE"},
    {"diff", 3, false, true, "diff FILE V1 V2"},
    {"compact", 1, true, false, "compact FILE"},
    {"recover", 2, false, false, "recover FILE TO"},
};

static int tool_run(struct shell *shell, const struct tool *tool, const char **words)
{
    if (strcmp(tool->name, "restore") == 0) return tool_restore(shell, words[0], words[1]);
    if (strcmp(tool->name, "recover") == 0) return tool_recover(shell, words[0], words[1]);
    shell->path = words[0];
    bool writes = strcmp(tool->name, "compact") == 0;
    int status = shell_open(shell, writes ? 0 : MN_READONLY);
    if (status) return status;
    if (writes) {
        shell_fail(shell, tool_compact(shell));
    } else if (strcmp(tool->name, "check") == 0) {
        shell_fail(shell, tool_check(shell));
    } else if (strcmp(tool->name, "stat") == 0) {
        shell_fail(shell, tool_stat(shell));
    } else if (strcmp(tool->name, "backup") == 0) {
        shell_fail(shell, tool_backup(shell, words[1]));
    } else {
        (void)dump_database(shell, shell->out);
    }
    return shell_close(shell);
}

/* The subcommand that the first word names; *status is set where there is one. */
static bool tool_take(struct shell *shell, const struct arguments *a, int *status)
{
    for (size_t i = 0; a->word_count > 0 && i < sizeof tools / sizeof tools[0]; i++) {
        const struct tool *tool = &tools[i];
        if (strcmp(a->words[0], tool->name) != 0) continue;
        *status = EXIT_USAGE;
        if (tool->later) {
            fprintf(stderr, "mneme: %s comes later\n", tool->synopsis);
        } else if (a->word_count != tool->words + 1) {
            shell_usage_error("usage: mneme %s", tool->synopsis);
        } else {
            *status = tool_run(shell, tool, a->words + 1);
        }
        return true;
    }
    return false;
}

static void action_run(struct shell *shell, const struct action *action)
{
    const char *equals;
    char name[256];

    switch (action->kind) {
    case ACTION_SQL:
        (void)run_text(shell, action->text, strlen(action->text), (struct shell_source){.line = 1});
        return;
    case ACTION_SCRIPT: (void)run_file(shell, action->text); return;
    case ACTION_PARAM: break;
    }
    equals = strchr(action->text, '=');
    if (!equals || equals == action->text || (size_t)(equals - action->text) >= sizeof name) {
        shell_usage_error("--param takes NAME=VALUE, not %s", action->text);
        shell_fail(shell, EXIT_USAGE);
        return;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(equals - action->text), action->text);
    if (!param_set(shell, name, equals + 1)) shell_fail(shell, EXIT_USAGE);
}

static bool has_work(const struct arguments *a)
{
    for (size_t i = 0; i < a->action_count; i++) {
        if (a->actions[i].kind != ACTION_PARAM) return true;
    }
    return false;
}

/* Parameters first, so that their place among the arguments does not matter. */
static void actions_run(struct shell *shell, const struct arguments *a)
{
    for (size_t i = 0; i < a->action_count && !shell->exit_status; i++) {
        if (a->actions[i].kind == ACTION_PARAM) action_run(shell, &a->actions[i]);
    }
    if (shell->exit_status) return;
    for (size_t i = 0; i < a->action_count && !shell->quit; i++) {
        if (a->actions[i].kind == ACTION_PARAM) continue;
        if (shell->exit_status && shell->bail) return;
        action_run(shell, &a->actions[i]);
    }
}

static int session_run(struct shell *shell, struct arguments *a)
{
    shell->path = a->word_count > 0 ? a->words[0] : NULL;
    shell->prompt = !has_work(a) && isatty(STDIN_FILENO);
    shell->bail = a->bail_given ? a->bail : !shell->prompt;
    int status = shell_open(shell, a->open_flags);
    if (status) return status;
    actions_run(shell, a);
    if (shell->prompt && !shell->exit_status) {
        (void)edit_prompt(shell);
    } else if (!has_work(a) && !shell->exit_status) {
        (void)run_file(shell, "-");
    }
    param_clear(shell);
    return shell_close(shell);
}

int main(int argc, char **argv)
{
    struct shell shell = {.mode = MODE_BOX, .header = true, .out = stdout};
    struct arguments a = {.open_flags = MN_CREATE, .bail = true};
    struct sigaction action = {.sa_handler = on_interrupt};
    int status = ASK_GO_ON;

    a.actions = calloc((size_t)argc + 1, sizeof *a.actions);
    a.words = calloc((size_t)argc + 1, sizeof *a.words);
    if (!a.actions || !a.words) {
        fprintf(stderr, "mneme: no memory\n");
        return EXIT_STATEMENT;
    }
    (void)sigaction(SIGINT, &action, NULL);
    status = arguments_read(&shell, &a, argc, argv);
    color_choose(&shell, a.color);
    if (status == ASK_GO_ON && !tool_take(&shell, &a, &status)) status = session_run(&shell, &a);
    free(a.actions);
    free(a.words);
    return status;
}
