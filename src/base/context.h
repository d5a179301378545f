/* SPDX-License-Identifier: Apache-2.0
 *
 * Context: thread count, seed, memory limit, callbacks and the message of the last failure.
 *
 * Errors inside the library: `return fail(context, TOPN_ERROR_DATA, "%s:%zu: …", …)` sets the message and returns
 * the status; TRY(expression) passes a failure on to the label `done:` of a function that has `topn_status status`.
 */
#ifndef TOPN_BASE_CONTEXT_H
#define TOPN_BASE_CONTEXT_H

#include <topn/topn.h>

struct topn_context {
    int threads; /* ≥ 1 */
    uint64_t seed;
    uint64_t memory_limit; /* bytes set by the caller; 0 = what the machine grants */
    topn_progress_callback *progress;
    void *progress_data;
    topn_log_callback *log;
    void *log_data;
    topn_cache *cache; /* lent; NULL = none (base/shared_work.h) */
    char message[1024];
};

/* Sets the message (printf-style) and returns status. context may be NULL. */
topn_status fail(topn_context *context, topn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a failed malloc of `bytes`. */
topn_status fail_memory(topn_context *context, size_t bytes);
/* The same for a failed system call: "<what> <path>: <strerror(errno)>". */
topn_status fail_io(topn_context *context, const char *what, const char *path);

/* One line of information to the log callback, if there is one. */
void log_line(topn_context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reports progress; TOPN_ERROR_CANCELLED when the callback says stop. Only from the calling thread. */
topn_status progress_report(topn_context *context, const char *stage, const char *unit, uint64_t done, uint64_t total,
                            double value);

/* Seconds on a monotonic clock. */
double clock_seconds(void);

#define TRY(expression)                                                                                                \
    do {                                                                                                               \
        status = (expression);                                                                                         \
        if (status != TOPN_OK)                                                                                         \
            goto done;                                                                                                 \
    } while (0)

#endif
