/* SPDX-License-Identifier: Apache-2.0
 *
 * Exit codes, error lines and memory of the program.
 */
#ifndef TOPN_CLI_COMPLAIN_H
#define TOPN_CLI_COMPLAIN_H

#include <stdbool.h>
#include <stddef.h>

enum { CODE_DONE = 0, CODE_FAILED = 1, CODE_USAGE = 2, CODE_CANCELLED = 130 };

/* Passes a failing exit code on to the label `done:` of a function that has `int code`. */
#define STEP(expression)                                                                                               \
    do {                                                                                                               \
        code = (expression);                                                                                           \
        if (code != CODE_DONE)                                                                                         \
            goto done;                                                                                                 \
    } while (0)

/* One line "topn: …" on standard error, control characters escaped; returns `code`. */
int complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whether a line with a failing code was printed. */
bool complained(void);

/* Never NULL: a program this short of memory says so and ends. */
void *need_memory(size_t count, size_t size);
void *need_more(void *block, size_t count, size_t size);
char *need_text(const char *text);
/* printf into new memory */
char *need_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The candidate nearest to a misspelt `word`, NULL when none is near. names [count] */
const char *nearest(const char *word, const char *const *names, size_t count);

#endif
