/* SPDX-License-Identifier: Apache-2.0
 *
 * From data to the two sides of a multilinear model. Rows of the tables:
 *
 *   items, users         one each, then one for each column of their features (x = the number)
 *   a context's column   one for each value, then one for missing values
 *
 * Entities of the first side are the users, or the distinct contexts, whose field 0 is the user.
 */
#ifndef TOPN_TRAIN_ALTERNATING_SIDES_H
#define TOPN_TRAIN_ALTERNATING_SIDES_H

#include "train/alternating/problem.h"

/* `contexts`: entities are contexts where the data have any. field_factors [1 + fields of the context] or NULL = all
 * params->factors; TUCKER only. SUM has biases whatever params say. First values are drawn by side, field and row; see
 * sides.c. */
topn_status sides_create(topn_context *context, const topn_data *data, const alternating_params *params,
                         composition kind, bool contexts, const size_t *field_factors, multilinear_side sides[2]);
void sides_clear(multilinear_side sides[2]);
/* What sides_create will hold; UINT64_MAX where the core has more entries than can be counted. */
uint64_t sides_bytes(const topn_data *data, const alternating_params *params, composition kind, bool contexts,
                     const size_t *field_factors);
/* Entities of a side, and fields of the first one, as sides_create will make them. */
uint32_t sides_context_count(const topn_data *data, bool contexts);
size_t sides_context_fields(const topn_data *data, bool contexts);

#endif
