/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place that knows OpenMP's and BLAS's thread counts, so that the two never multiply: loops say
 * `num_threads(context->threads)`, and BLAS called inside a parallel region runs on that region's thread alone.
 * topn calls BLAS only on tiles inside its own parallel loops: the bits don't depend on the thread count.
 */
#ifndef TOPN_BASE_THREADS_H
#define TOPN_BASE_THREADS_H

/* Processors this process may run on (affinity mask and cgroup CPU quota), ≥ 1. */
int threads_available(void);
/* Index of the calling thread in the parallel region, 0 without OpenMP. */
int thread_index(void);

/* Between these two, BLAS called by this thread runs on this thread alone, also where a parallel region has a single
 * thread (which OpenMP does not count as parallel). Returns what the end call restores. */
int threads_serial_blas_begin(void);
void threads_serial_blas_end(int saved);

/* Between these two, results of this thread that are too small for a normal number become 0: arithmetic on such numbers
 * takes a hundred times as long on many processors. The first returns what the second restores. */
unsigned threads_flush_begin(void);
void threads_flush_end(unsigned saved);

#endif
