/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOPN_NUMERIC_FINITE_H
#define TOPN_NUMERIC_FINITE_H

#include <stddef.h>

/* Place of the first infinite value or NaN among `count`, SIZE_MAX when there is none; on so many threads, the same
 * answer for any number of them. */
size_t first_infinite(const float *values, size_t count, int threads);

#endif
