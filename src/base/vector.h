/* SPDX-License-Identifier: Apache-2.0
 *
 * One function, compiled for several generations of x86-64; the loader picks the widest that the processor has. Thread
 * sanitizer's runtime is not up when the loader asks, so there the clones are off.
 */
#ifndef TOPN_BASE_VECTOR_H
#define TOPN_BASE_VECTOR_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define VECTOR_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define VECTOR_CLONES
#endif

#endif
