/* SPDX-License-Identifier: Apache-2.0 */
#include "base/threads.h"

#include <sched.h>
#include <stdio.h>
#ifdef __SSE__
#include <immintrin.h>
#endif
#ifdef _OPENMP
#include <omp.h>

/* Whole processors granted by cgroup v2's cpu.max ("quota period" in microseconds), 0 when unlimited. */
static int cgroup_processors(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return 0;
    long quota = 0, period = 0;
    const int fields = fscanf(file, "%ld %ld", &quota, &period);
    fclose(file);
    if (fields != 2 || quota <= 0 || period <= 0)
        return 0;
    return (int)((quota + period - 1) / period);
}
#endif

int threads_available(void)
{
#ifdef _OPENMP
    cpu_set_t set;
    int count = omp_get_num_procs(); /* where there are more processors than a cpu_set_t has room for */
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    const int granted = cgroup_processors();
    if (granted > 0 && granted < count)
        count = granted;
    return count < 1 ? 1 : count;
#else
    return 1;
#endif
}

int thread_index(void)
{
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

int threads_serial_blas_begin(void)
{
#ifdef _OPENMP
    const int saved = omp_get_max_threads();
    omp_set_num_threads(1);
    return saved;
#else
    return 1;
#endif
}

void threads_serial_blas_end(int saved)
{
#ifdef _OPENMP
    omp_set_num_threads(saved);
#else
    (void)saved;
#endif
}

#ifdef __SSE__
enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };
#endif

unsigned threads_flush_begin(void)
{
#ifdef __SSE__
    const unsigned saved = _mm_getcsr();
    _mm_setcsr(saved | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
    return saved;
#else
    return 0;
#endif
}

void threads_flush_end(unsigned saved)
{
#ifdef __SSE__
    _mm_setcsr(saved);
#else
    (void)saved;
#endif
}
