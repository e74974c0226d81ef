/*
 * process: another program run by a test, with what it said and how it ended.
 */
#include "support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/test.h"

enum { PATIENCE_MS = 10000, RUN_MS = 60000 };

static int status_of(int wait_status)
{
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

static void child_become(const char *const *argv, const char *folder)
{
    if (folder && chdir(folder) != 0) _exit(127);
    unsetenv("NO_COLOR");
    setenv("MNEME_HISTORY", "", 1);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

static void text_take(int fd, char *text, size_t *length, bool *open)
{
    ssize_t got = read(fd, text + *length, PROCESS_TEXT_BYTES - 1 - *length);

    if (got <= 0) {
        *open = false;
    } else {
        *length += (size_t)got;
    }
    text[*length] = '\0';
}

static void input_give(int fd, const char **input, bool *open)
{
    ssize_t put = write(fd, *input, strlen(*input));

    if (put > 0) *input += put;
    if (put < 0 || **input == '\0') {
        close(fd);
        *open = false;
    }
}

const struct process_result *process_run(const char *const *argv, const char *folder,
                                         const char *input)
{
    static struct process_result result;
    int in[2], out[2], err[2], wait_status = 0;
    size_t out_length = 0, err_length = 0;
    bool in_open = true, out_open = true, err_open = true;

    assert_true(pipe(in) == 0 && pipe(out) == 0 && pipe(err) == 0);
    (void)signal(SIGPIPE, SIG_IGN);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        for (int fd = 3; fd < 64; fd++) close(fd);
        child_become(argv, folder);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    if (!input) input = "";
    while (out_open || err_open) {
        struct pollfd fds[3] = {{.fd = out_open ? out[0] : -1, .events = POLLIN},
                                {.fd = err_open ? err[0] : -1, .events = POLLIN},
                                {.fd = in_open ? in[1] : -1, .events = POLLOUT}};
        if (poll(fds, 3, RUN_MS) <= 0) {
            kill(pid, SIGKILL);
            break;
        }
        if (fds[0].revents) text_take(out[0], result.out, &out_length, &out_open);
        if (fds[1].revents) text_take(err[0], result.err, &err_length, &err_open);
        if (fds[2].revents) input_give(in[1], &input, &in_open);
    }
    if (in_open) close(in[1]);
    close(out[0]);
    close(err[0]);
    assert_int_equal(waitpid(pid, &wait_status, 0), pid);
    result.status = status_of(wait_status);
    return &result;
}

void process_terminal_open(struct process_terminal *t, const char *const *argv, const char *folder)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};

    t->length = t->matched = 0;
    t->seen[0] = '\0';
    t->pid = forkpty(&t->fd, NULL, NULL, &size);
    if (t->pid < 0) {
        print_message("no terminal can be made here: %s\n", strerror(errno));
        skip();
    }
    if (t->pid == 0) {
        setenv("TERM", "xterm", 1);
        child_become(argv, folder);
    }
}

void process_terminal_type(struct process_terminal *t, const char *keys)
{
    assert_int_equal(write(t->fd, keys, strlen(keys)), strlen(keys));
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void process_terminal_expect(struct process_terminal *t, const char *text)
{
    int64_t until = now_ms() + PATIENCE_MS;
    bool open = true;

    for (;;) {
        const char *found = strstr(t->seen + t->matched, text);
        if (found) {
            t->matched = (size_t)(found - t->seen) + strlen(text);
            return;
        }
        struct pollfd fd = {.fd = t->fd, .events = POLLIN};
        int64_t left = until - now_ms();
        if (!open || left <= 0 || poll(&fd, 1, (int)left) <= 0) {
            fail_msg("\"%s\" did not come after: %s", text, t->seen + t->matched);
        }
        text_take(t->fd, t->seen, &t->length, &open);
    }
}

int process_terminal_close(struct process_terminal *t)
{
    int wait_status = 0;
    bool open = true;
    struct pollfd fd = {.fd = t->fd, .events = POLLIN};

    while (open && poll(&fd, 1, PATIENCE_MS) > 0) text_take(t->fd, t->seen, &t->length, &open);
    if (open) kill(t->pid, SIGKILL);
    assert_int_equal(waitpid(t->pid, &wait_status, 0), t->pid);
    close(t->fd);
    return status_of(wait_status);
}
