/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person needs to know when training is slow or refused: processor, BLAS, threads, memory, speed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "base/threads.h"
#include "numeric/blas_info.h"

typedef struct doctor {
    topn_doctor_callback *callback;
    void *user_data;
} doctor;

/* One line: what, a printf-style value, advice ("" = all is well). */
__attribute__((format(printf, 4, 5))) static void tell(const doctor *to, const char *what, const char *advice,
                                                       const char *format, ...)
{
    char value[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    to->callback(what, value, advice, to->user_data);
}

/* Value of the first "key : value" line of /proc/cpuinfo, "" when absent. */
static void processor_line(const char *key, char *out, size_t capacity)
{
    out[0] = '\0';
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (!file)
        return;
    char line[4096];
    while (!out[0] && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (colon && strncmp(line, key, strlen(key)) == 0 && colon[1])
            snprintf(out, capacity, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    }
    fclose(file);
}

static bool has_flag(const char *flags, const char *flag)
{
    const size_t length = strlen(flag);
    for (const char *at = strstr(flags, flag); at; at = strstr(at + 1, flag))
        if ((at == flags || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static void tell_processor(const doctor *to, const topn_context *context, const char *flags)
{
    char model[256];
    processor_line("model name", model, sizeof model);
    tell(to, "processor", "", "%s", model[0] ? model : "unknown");
    tell(to, "vector instructions", "", "%s",
         has_flag(flags, "avx512f") ? "AVX-512"
         : has_flag(flags, "avx2")  ? "AVX2"
                                    : "neither AVX2 nor AVX-512");
    tell(to, "threads", "", "%d in use, %d available to this process", context->threads, threads_available());
    const char *wait = getenv("OMP_WAIT_POLICY"), *spin = getenv("GOMP_SPINCOUNT");
    const bool passive = (wait && strcmp(wait, "passive") == 0) || (spin && strcmp(spin, "0") == 0);
    tell(to, "idle threads", passive ? "" : "set OMP_WAIT_POLICY=passive before the program starts", "%s",
         passive ? "sleep" : "spin, and slow down whatever else runs here");
}

static void tell_blas(const doctor *to, const char *flags)
{
    const blas_info blas = blas_describe();
    const char *forced = getenv("OPENBLAS_CORETYPE");
    tell(to, "BLAS", "", "%s", blas.configuration);
    tell(to, "BLAS library", "", "%s", blas.file);
    tell(to, "BLAS threading",
         strcmp(blas.threading, "pthreads") == 0
             ? "install the OpenMP flavour: libopenblas-openmp-dev, then build again"
             : "",
         "%s", blas.threading);
    const bool narrow =
        has_flag(flags, "avx512f") && (strcmp(blas.kernel, "Haswell") == 0 || strcmp(blas.kernel, "Zen") == 0);
    tell(to, "BLAS kernel",
         forced   ? "unset OPENBLAS_CORETYPE and compare the rates below"
         : narrow ? "this processor has AVX-512: try OPENBLAS_CORETYPE=SkylakeX and compare the rates below"
                  : "",
         "%s%s%s", blas.kernel, forced ? ", forced by OPENBLAS_CORETYPE=" : "", forced ? forced : "");
}

static void tell_memory(const doctor *to, const topn_context *context)
{
    char available[24], limit[24];
    const uint64_t bytes = memory_available(context);
    tell(to, "memory available", bytes < UINT64_C(1) << 30 ? "free some memory, or raise the container's limit" : "",
         "%s", memory_text(bytes, available, sizeof available));
    if (context->memory_limit)
        tell(to, "memory limit", "", "%s, from --memory", memory_text(context->memory_limit, limit, sizeof limit));
    size_t items = 1000;
    while (4.4 * (double)(items + 1000) * (double)(items + 1000) < (double)bytes)
        items += 1000;
    tell(to, "largest dense model", "", "about %zu items", items);
}

topn_status topn_doctor(topn_context *context, topn_doctor_callback *callback, void *user_data)
{
    if (!context || !callback)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_doctor needs a context and a callback");
    const doctor to = {callback, user_data};
    char flags[4096];
    processor_line("flags", flags, sizeof flags);
    tell(&to, "topn", "", "%s", topn_version());
    tell_processor(&to, context, flags);
    tell_blas(&to, flags);
    tell_memory(&to, context);
    blas_measurement measured;
    const topn_status status = blas_measure(context, &measured);
    if (status != TOPN_OK)
        return status;
    tell(&to, "matrix products", "", "%.0f GFLOP/s", measured.product_rate);
    tell(&to, "factorisation", "", "%.0f GFLOP/s (%.0f %% of products, 3072 rows)", measured.factor_rate,
         100 * measured.factor_rate / measured.product_rate);
    tell(&to, "residual of an inverse",
         measured.residual < 1e-3 ? "" : "this BLAS computes wrong results here: set OPENBLAS_CORETYPE=Haswell", "%.2g",
         measured.residual);
    return TOPN_OK;
}
