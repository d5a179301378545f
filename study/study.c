/* SPDX-License-Identifier: Apache-2.0 */
#include "study/study.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

topn_status study_fail(study *work, topn_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(work->message, sizeof work->message, format, arguments);
    va_end(arguments);
    return status;
}

topn_status study_check(study *work, topn_status status)
{
    if (status != TOPN_OK) {
        const char *message = topn_context_message(work->context);
        snprintf(work->message, sizeof work->message, "%s", *message ? message : topn_status_text(status));
    }
    return status;
}

topn_status study_memory(study *work)
{
    return study_fail(work, TOPN_ERROR_MEMORY, "no memory for the trials");
}

void study_say(const study *work, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    if (!work->say)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    work->say(line);
}

double study_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

topn_status study_seed(study *work, uint64_t seed)
{
    topn_status status;
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, seed);
    STUDY_TRY(study_check(work, topn_options_set(work->context, work->machine, "seed", text)));
    STUDY_TRY(study_check(work, topn_context_apply(work->context, work->machine)));
done:
    return status;
}

static bool watch(const topn_progress *progress, void *data)
{
    study *work = data;
    if (work->progress && !work->progress(progress, work->progress_data))
        return false;
    work->late = study_clock() >= work->deadline;
    return !work->late;
}

void study_watch(study *work)
{
    topn_context_set_progress(work->context, watch, work);
    topn_context_set_log(work->context, NULL, NULL); /* a trial is one line, its own */
}

topn_status study_share(study *work)
{
    const topn_status status = study_check(work, topn_cache_create(work->context, 0, &work->cache));
    if (status == TOPN_OK)
        topn_context_set_cache(work->context, work->cache);
    return status;
}

void study_share_end(study *work)
{
    topn_context_set_cache(work->context, NULL);
    topn_cache_free(work->cache);
    work->cache = NULL;
}

topn_status study_go_on(study *work)
{
    const topn_progress nothing = {.stage = "tuning", .unit = "", .value = NAN};
    if (work->progress && !work->progress(&nothing, work->progress_data))
        return study_fail(work, TOPN_ERROR_CANCELLED, "cancelled");
    return TOPN_OK;
}

topn_status study_duration(study *work, const char *what, const char *text, double *seconds)
{
    static const struct {
        const char *unit;
        double scale;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    *seconds = strtod(text, &end);
    for (size_t i = 0; end != text && *seconds > 0 && isfinite(*seconds) && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0) {
            *seconds *= units[i].scale;
            return TOPN_OK;
        }
    return study_fail(work, TOPN_ERROR_OPTION, "%s: \"%s\" is not a time, such as 90s, 10m, 1.5h or 2d", what, text);
}
