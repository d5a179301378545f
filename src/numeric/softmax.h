/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a softmax in single precision, as vector code: the same bits whatever the width of the vectors.
 */
#ifndef TOPN_NUMERIC_SOFTMAX_H
#define TOPN_NUMERIC_SOFTMAX_H

#include <stddef.h>

/* scores += biases; the largest of them, NaN where there is a positive one, −∞ of none. */
float softmax_add(float *scores, const float *biases, size_t count);
/* scores become e^(s − most); their sum. */
double softmax_raise(float *scores, size_t count, float most);
void softmax_scale(float *scores, size_t count, float factor);

#endif
