/* SPDX-License-Identifier: Apache-2.0 */
#include "complain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "text.h"

static bool failure_told;

int complain(int code, const char *format, ...)
{
    const int reason = errno;
    failure_told = failure_told || code != CODE_DONE;
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    progress_clear();
    progress_flush(code == CODE_DONE);
    fflush(stdout);
    fputs("topn: ", stderr);
    text_print(stderr, line);
    fputc('\n', stderr);
    errno = reason;
    return code;
}

bool complained(void)
{
    return failure_told;
}

static void *or_die(void *block)
{
    if (block)
        return block;
    complain(CODE_FAILED, "out of memory");
    exit(CODE_FAILED);
}

void *need_memory(size_t count, size_t size)
{
    return or_die(calloc(count ? count : 1, size));
}

void *need_more(void *block, size_t count, size_t size)
{
    return or_die(reallocarray(block, count ? count : 1, size));
}

char *need_text(const char *text)
{
    return or_die(strdup(text));
}

char *need_format(const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    const int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return or_die(length < 0 ? NULL : text);
}

static size_t edit_distance(const char *a, const char *b)
{
    size_t row[64]; /* distances of a[0 … i) to every prefix of b */
    const size_t width = strlen(b);
    if (width >= sizeof row / sizeof *row)
        return SIZE_MAX;
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            const size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            const size_t shorter = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            row[j + 1] = replaced < shorter ? replaced : shorter;
        }
    }
    return row[width];
}

const char *nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 2 + 1; /* farther is no hint */
    for (size_t i = 0; i < count; i++) {
        const size_t distance = strncmp(names[i], word, strlen(word)) == 0 ? 1 : edit_distance(word, names[i]);
        if (distance < best_distance) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}
