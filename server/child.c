/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NICENESS = 10, READ_AT_ONCE = 1024 };

extern char **environ;

void child_init(child *of)
{
    memset(of, 0, sizeof *of);
    pthread_mutex_init(&of->lock, NULL);
}

void child_clear(child *of)
{
    pthread_mutex_destroy(&of->lock);
}

void child_stop(child *of, int signal)
{
    pthread_mutex_lock(&of->lock);
    of->stopped = true;
    if (of->process > 0)
        kill(of->process, signal); /* not yet waited for, so its number is nobody else's */
    pthread_mutex_unlock(&of->lock);
}

void child_last_line(const char *text, char *line, size_t size)
{
    size_t end = strlen(text);
    while (end > 0 && text[end - 1] == '\n')
        end--;
    size_t begin = end;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    snprintf(line, size, "%.*s", (int)(end - begin), text + begin);
}

/* Keeps the end of a text that grows. */
static void append(char text[CHILD_SAYS], const char *more, size_t count)
{
    const size_t length = strlen(text), over = length + count < CHILD_SAYS ? 0 : length + count - (CHILD_SAYS - 1);
    memmove(text, text + over, length - over + 1);
    memcpy(text + length - over, more, count);
    text[length - over + count] = '\0';
}

static void read_all(child *of, int results, int complaints)
{
    struct pollfd from[] = {{.fd = results, .events = POLLIN}, {.fd = complaints, .events = POLLIN}};
    char *const into[] = {of->results, of->complaints};
    for (int open = 2; open > 0;) {
        if (poll(from, 2, -1) < 0 && errno != EINTR)
            return;
        for (int at = 0; at < 2; at++) {
            char bytes[READ_AT_ONCE];
            if (from[at].fd < 0 || !from[at].revents)
                continue;
            const ssize_t count = read(from[at].fd, bytes, sizeof bytes);
            if (count > 0) {
                append(into[at], bytes, strnlen(bytes, (size_t)count));
            } else if (count == 0 || errno != EINTR) {
                from[at].fd = -1;
                open--;
            }
        }
    }
}

/* The variables of this process, and one that tells the child whose it is. NULL without memory. */
static char **make_environment(char *parent)
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **made = calloc(count + 2, sizeof *made);
    if (!made)
        return NULL;
    memcpy(made, environ, count * sizeof *made);
    made[count] = parent;
    return made;
}

static int spawn(const char *const *arguments, int results, int complaints, pid_t *out)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    char parent[48];
    snprintf(parent, sizeof parent, "TOPN_RETRAIN_PARENT=%ld", (long)getpid());
    char **environment = make_environment(parent);
    if (!environment)
        return ENOMEM;
    sigemptyset(&none); /* the server's threads block signals, the child is to be told to stop by them */
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGTERM);
    sigaddset(&usual, SIGINT);
    sigaddset(&usual, SIGHUP);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, results, 1);
    posix_spawn_file_actions_adddup2(&files, complaints, 2);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const int error = posix_spawn(out, "/proc/self/exe", &files, &attributes, (char *const *)arguments, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    free(environment);
    return error;
}

/* Starts it under the lock, so that child_stop comes before or after. An error number. */
static int start(child *of, const char *const *arguments, int results, int complaints)
{
    int error = ECANCELED;
    pthread_mutex_lock(&of->lock);
    of->results[0] = of->complaints[0] = '\0';
    if (!of->stopped)
        error = spawn(arguments, results, complaints, &of->process);
    if (error == 0)
        setpriority(PRIO_PROCESS, (id_t)of->process, NICENESS);
    else
        of->process = 0;
    pthread_mutex_unlock(&of->lock);
    return error;
}

static int wait_for(child *of)
{
    siginfo_t ended;
    int status = 0;
    while (waitid(P_PID, (id_t)of->process, &ended, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    pthread_mutex_lock(&of->lock); /* its number is free for others once it is waited for */
    waitpid(of->process, &status, 0);
    of->process = 0;
    pthread_mutex_unlock(&of->lock);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int child_run(child *of, const char *const *arguments, char *why, size_t why_size)
{
    int results[2] = {-1, -1}, complaints[2] = {-1, -1}, error = 0;
    if (pipe2(results, O_CLOEXEC) != 0 || pipe2(complaints, O_CLOEXEC) != 0)
        error = errno;
    if (!error)
        error = start(of, arguments, results[1], complaints[1]);
    for (int side = 1; side >= 0; side--) {
        if (side == 0 && !error)
            read_all(of, results[0], complaints[0]);
        if (results[side] >= 0)
            close(results[side]);
        if (complaints[side] >= 0)
            close(complaints[side]);
    }
    if (!error)
        return wait_for(of);
    snprintf(why, why_size, "cannot start the training: %s", strerror(error));
    return -1;
}
