/* SPDX-License-Identifier: Apache-2.0
 *
 * topn: the program. Finds the command, parses its arguments, runs it, and looks after what all commands share.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "help_text.h"
#include "progress.h"
#include "session.h"

#define RESTARTED "TOPN_RESTARTED"

/* Idle OpenMP threads that spin take the processor from everybody else; sleeping ones can take longer to wake than
 * what they waited for took. So they spin for a moment, about a tenth of a millisecond, and sleep then. libgomp
 * reads its environment before main, so the program sets it and starts itself once more. */
#define SPINS_BEFORE_SLEEP "2000"
static void restart_with_passive_threads(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") || getenv(RESTARTED)) {
        unsetenv(RESTARTED);
        return;
    }
    setenv("OMP_WAIT_POLICY", "passive", 1);
    setenv("GOMP_SPINCOUNT", SPINS_BEFORE_SLEEP, 1);
    setenv(RESTARTED, "1", 1);
    /* By its path, so that the process list shows the program's name; a path that is gone has " (deleted)" behind it.
     */
    char path[4096];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length > 0) {
        path[length] = '\0';
        execv(path, argv);
    }
    execv("/proc/self/exe", argv);
    unsetenv(RESTARTED); /* no /proc: go on as we are */
}

/* What was printed must have arrived: a full disk shows only now. A reader that went away is no news. */
static int close_output(int code)
{
    errno = 0;
    const bool failed = fflush(stdout) != 0 || ferror(stdout);
    const int reason = errno;
    if (!failed && (fclose(stdout) == 0 || errno == EBADF))
        return code;
    if (reason != EPIPE && !complained())
        complain(CODE_FAILED, "cannot write to standard output%s%s", reason ? ": " : "",
                 reason ? strerror(reason) : "");
    return code == CODE_DONE ? CODE_FAILED : code;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct session session = {0};
    int code;
    if (topn_context_create(&session.context) != TOPN_OK)
        return complain(CODE_FAILED, "out of memory");
    STEP(arguments_parse(session.context, command, argc, argv, &session.arguments));
    if (session.arguments.help) {
        code = help_command(session.context, command, session.arguments.operand_count, session.arguments.operands);
        goto done;
    }
    session.quiet = session_flag(&session, "quiet");
    progress_start(session.quiet);
    topn_context_set_progress(session.context, progress_show, NULL);
    topn_context_set_log(session.context, progress_log, NULL);
    code = command->run(&session);
    progress_clear();
    progress_flush(code == CODE_DONE);
done:
    session_clear(&session);
    return code;
}

int main(int argc, char **argv)
{
    restart_with_passive_threads(argv);
    signal(SIGPIPE, SIG_IGN); /* writes fail with EPIPE instead, which close_output sees */
    signal(SIGXFSZ, SIG_IGN); /* and with EFBIG beyond a limit of file sizes */
    const char *word = argc > 1 ? argv[1] : NULL;
    const struct command *command = word ? command_find(word) : NULL;
    int code;
    if (!word) {
        help_overview(stderr);
        code = CODE_USAGE;
    } else if (strcmp(word, "--version") == 0) {
        printf("topn %s\n", topn_version());
        code = CODE_DONE;
    } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        help_overview(stdout);
        code = CODE_DONE;
    } else if (!command) {
        code = help_unknown_command(word);
    } else {
        code = run(command, argc - 2, argv + 2);
    }
    return close_output(code);
}
