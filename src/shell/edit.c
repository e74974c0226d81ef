/*
 * edit: the prompt: lines edited by libedit, history, continuation, completion.
 *
 * A statement goes on over lines until its semicolon; a command is one line. Ctrl-C at the prompt
 * drops what was typed; Ctrl-C while a statement runs interrupts that. Ctrl-D leaves.
 */
#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "shell.h"

enum { HISTORY_LINES = 2000, PATH_BYTES = 4096 };

struct prompt {
    struct shell *shell;
    EditLine *line;
    History *history;
    char *typed; /* the statement so far */
    size_t length, room;
    char path[PATH_BYTES]; /* of the history's file; empty: none */
};

/* What libedit's callbacks, which take no context of ours, are about. */
static struct prompt *current;

static char *prompt_text(EditLine *line)
{
    static char first[] = "mneme> ", inside[] = "mneme*> ", more[] = "   ...> ";

    (void)line;
    if (current->length > 0) return more;
    return mn_in_transaction(current->shell->db) ? inside : first;
}

static void history_path(struct prompt *prompt)
{
    const char *given = getenv("MNEME_HISTORY"), *home = getenv("HOME");

    if (given) {
        (void)snprintf(prompt->path, sizeof prompt->path, "%s", given);
    } else if (home && *home) {
        (void)snprintf(prompt->path, sizeof prompt->path, "%s/.mneme_history", home);
    }
}

static unsigned char complete_key(EditLine *line, int character)
{
    (void)character;
    return complete_word(current->shell, line, current->typed, current->length) ? CC_REFRESH
                                                                                : CC_ERROR;
}

/* Waits for a byte. SIGINT is let in only here, so none falls between a look and a read. */
static int byte_read(unsigned char *byte)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    sigset_t during;

    pthread_sigmask(SIG_SETMASK, NULL, &during);
    sigdelset(&during, SIGINT);
    for (;;) {
        int ready = ppoll(&fd, 1, NULL, &during);
        if (shell_interrupted) {
            errno = EINTR;
            return -1;
        }
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return -1;
        ssize_t got = read(STDIN_FILENO, byte, 1);
        if (got >= 0 || errno != EINTR) return (int)got;
    }
}

/* libedit's way to a key: a character of UTF-8. */
static int key_read(EditLine *line, wchar_t *key)
{
    unsigned char byte = 0;
    int got = byte_read(&byte);
    int more = byte < 0xc0 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;

    (void)line;
    if (got <= 0) return got;
    uint32_t point = more == 0 ? byte : byte & (0x3fu >> more);
    for (; more > 0; more--) {
        got = byte_read(&byte);
        if (got <= 0) return got;
        point = point << 6 | (byte & 0x3f);
    }
    *key = (wchar_t)point;
    return 1;
}

static const char *line_read(struct prompt *prompt, int *count)
{
    sigset_t interrupt, before;

    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, &before);
    /* Before the prompt appears, or a Ctrl-D typed at once would mean something else. */
    el_set(prompt->line, EL_PREP_TERM, 1);
    const char *text = el_gets(prompt->line, count);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return text;
}

static bool prompt_open(struct prompt *prompt)
{
    HistEvent event;

    /* The terminal speaks UTF-8; the classes of characters are all that is taken from the locale.
     */
    const char *locale = setlocale(LC_CTYPE, "");
    if (!locale || strcasecmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
    prompt->line = el_init("mneme", stdin, stdout, stderr);
    prompt->history = history_init();
    if (!prompt->line || !prompt->history) return false;
    history_path(prompt);
    history(prompt->history, &event, H_SETSIZE, HISTORY_LINES);
    history(prompt->history, &event, H_SETUNIQUE, 1);
    if (prompt->path[0]) history(prompt->history, &event, H_LOAD, prompt->path);
    el_set(prompt->line, EL_PROMPT, prompt_text);
    el_set(prompt->line, EL_EDITOR, "emacs");
    el_set(prompt->line, EL_HIST, history, prompt->history);
    el_set(prompt->line, EL_SIGNAL, 0);
    el_set(prompt->line, EL_GETCFN, key_read);
    el_set(prompt->line, EL_ADDFN, "mneme-complete", "complete a word", complete_key);
    el_set(prompt->line, EL_BIND, "^I", "mneme-complete", NULL);
    el_set(prompt->line, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(prompt->line, NULL);
    return true;
}

static void prompt_close(struct prompt *prompt)
{
    HistEvent event;

    if (prompt->history) {
        if (prompt->path[0]) history(prompt->history, &event, H_SAVE, prompt->path);
        history_end(prompt->history);
    }
    if (prompt->line) el_end(prompt->line);
    free(prompt->typed);
}

static bool typed_append(struct prompt *prompt, const char *text, size_t length)
{
    if (prompt->length + length + 1 > prompt->room) {
        size_t room = 2 * (prompt->length + length + 1);
        char *grown = realloc(prompt->typed, room);
        if (!grown) return false;
        prompt->typed = grown;
        prompt->room = room;
    }
    memcpy(prompt->typed + prompt->length, text, length);
    prompt->length += length;
    prompt->typed[prompt->length] = '\0';
    return true;
}

static bool is_blank_text(const char *text, size_t length)
{
    return strspn(text, " \t\r\n") >= length;
}

/* Runs what is whole; the rest stays typed. */
static void typed_run(struct prompt *prompt)
{
    HistEvent event;
    struct shell_source source = {.line = 1};
    size_t done = 0, end = 0;

    bool command = prompt->typed[0] == '.' || prompt->typed[0] == '\\';
    if (command) {
        done = prompt->length;
    } else {
        while (done < prompt->length &&
               (end = run_statement_end(prompt->typed + done, prompt->length - done)) > 0) {
            done += end;
            if (is_blank_text(prompt->typed + done, prompt->length - done)) done = prompt->length;
        }
    }
    if (done < prompt->length) return; /* until the last statement is whole */
    if (!is_blank_text(prompt->typed, prompt->length)) {
        char *entry = strndup(prompt->typed, prompt->length);
        while (entry && *entry && entry[strlen(entry) - 1] == '\n') entry[strlen(entry) - 1] = '\0';
        if (entry) history(prompt->history, &event, H_ENTER, entry);
        free(entry);
        (void)run_text(prompt->shell, prompt->typed, done, source);
    }
    prompt->length = 0;
    prompt->shell->exit_status = 0; /* a person has seen it */
}

int edit_prompt(struct shell *shell)
{
    struct prompt prompt = {.shell = shell};
    int count = 0;

    current = &prompt;
    if (!prompt_open(&prompt)) {
        error_say(shell, MN_NOMEM, "the prompt cannot be opened", NULL);
        shell_fail(shell, EXIT_STATEMENT);
        prompt_close(&prompt);
        return shell->exit_status;
    }
    fprintf(shell->out, "mneme %s, %s. \".help\" lists commands; statements end with ;\n",
            mn_version(), shell->path ? shell->path : "in memory");
    while (!shell->quit) {
        shell_interrupted = 0;
        const char *text = line_read(&prompt, &count);
        if (!text || count <= 0) {
            if (!shell_interrupted) break;
            prompt.length = 0;
            el_reset(prompt.line);
            fputc('\n', shell->out);
            fflush(shell->out);
            continue;
        }
        if (!typed_append(&prompt, text, (size_t)count)) break;
        typed_run(&prompt);
    }
    if (!shell->quit) fputc('\n', shell->out);
    prompt_close(&prompt);
    return shell->exit_status;
}
