/* SPDX-License-Identifier: Apache-2.0 */
#include "base/context.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/option_table.h"
#include "base/threads.h"

/* A message is one line, whatever control characters the value it names holds. */
static void keep_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = '?';
}

topn_status fail(topn_context *context, topn_status status, const char *format, ...)
{
    if (context) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(context->message, sizeof context->message, format, arguments);
        va_end(arguments);
        keep_one_line(context->message);
    }
    return status;
}

topn_status fail_memory(topn_context *context, size_t bytes)
{
    return fail(context, TOPN_ERROR_MEMORY, "could not allocate %zu bytes", bytes);
}

topn_status fail_io(topn_context *context, const char *what, const char *path)
{
    char buffer[128];
    const char *reason = strerror_r(errno, buffer, sizeof buffer);
    return fail(context, TOPN_ERROR_IO, "%s %s: %s", what, path, reason);
}

void log_line(topn_context *context, const char *format, ...)
{
    if (!context || !context->log)
        return;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    keep_one_line(line);
    context->log(line, context->log_data);
}

topn_status progress_report(topn_context *context, const char *stage, const char *unit, uint64_t done, uint64_t total,
                            double value)
{
    if (!context || !context->progress)
        return TOPN_OK;
    const topn_progress progress = {.stage = stage, .unit = unit, .done = done, .total = total, .value = value};
    if (context->progress(&progress, context->progress_data))
        return TOPN_OK;
    return fail(context, TOPN_ERROR_CANCELLED, "cancelled during \"%s\"", stage);
}

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

topn_status topn_context_create(topn_context **out)
{
    if (!out)
        return TOPN_ERROR_ARGUMENT;
    *out = calloc(1, sizeof **out);
    if (!*out)
        return TOPN_ERROR_MEMORY;
    (*out)->threads = threads_available();
    (*out)->seed = 1;
    return TOPN_OK;
}

void topn_context_free(topn_context *context)
{
    free(context);
}

const char *topn_context_message(const topn_context *context)
{
    return context ? context->message : "";
}

int topn_context_threads(const topn_context *context)
{
    if (!context)
        return 0;
    return context->threads;
}

uint64_t topn_context_seed(const topn_context *context)
{
    if (!context)
        return 0;
    return context->seed;
}

void topn_context_set_progress(topn_context *context, topn_progress_callback *callback, void *user_data)
{
    if (!context)
        return;
    context->progress = callback;
    context->progress_data = user_data;
}

void topn_context_set_log(topn_context *context, topn_log_callback *callback, void *user_data)
{
    if (!context)
        return;
    context->log = callback;
    context->log_data = user_data;
}

typedef struct context_params {
    int64_t threads, seed;
    uint64_t memory;
} context_params;

static const option_row context_options[] = {
    OPTION_INTEGER(context_params, threads, "threads", 0, 0, 4096,
                   "threads to use; 0 = all processors of this process"),
    OPTION_INTEGER(context_params, seed, "seed", 1, 0, INT64_MAX, "seed of all randomness: same seed, same bits"),
    OPTION_SIZE(context_params, memory, "memory", "0",
                "memory that may be used, such as 8G; 0 = what the machine grants"),
};

const option_table context_option_table = OPTION_TABLE(context_params, context_options);

topn_status topn_context_apply(topn_context *context, const topn_options *options)
{
    const context_params *params = options_params(options, &context_option_table);
    if (!context || !params)
        return fail(context, TOPN_ERROR_ARGUMENT, "these are not context options");
    context->threads = params->threads ? (int)params->threads : threads_available();
    context->seed = (uint64_t)params->seed;
    context->memory_limit = params->memory;
    return TOPN_OK;
}
