/* SPDX-License-Identifier: Apache-2.0
 *
 * A child process that runs one command of this program: started without fork's copy of the threads, last in line for
 * the processor, and gone when the thread that started it is.
 */
#ifndef TOPN_SERVER_CHILD_H
#define TOPN_SERVER_CHILD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CHILD_SAYS = 4096 };

typedef struct child {
    pthread_mutex_t lock;
    pid_t process;               /* 0: none is running */
    bool stopped;                /* none may start any more */
    char results[CHILD_SAYS];    /* the end of what it wrote to standard output */
    char complaints[CHILD_SAYS]; /* and to standard error */
} child;

void child_init(child *of);
void child_clear(child *of);
/* Runs the program with these arguments (NULL ends them) to its end. Its exit code, 128 + the number of a signal that
 * ended it, or -1 with `why` when it could not be started. */
int child_run(child *of, const char *const *arguments, char *why, size_t why_size);
/* From another thread: sends the signal to the one that runs; none starts from now on. */
void child_stop(child *of, int signal);
/* The last line of a text. `line` [size]. */
void child_last_line(const char *text, char *line, size_t size);

#endif
