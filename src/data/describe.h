/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts and distributions of interactions.
 */
#ifndef TOPN_DATA_DESCRIBE_H
#define TOPN_DATA_DESCRIBE_H

#include "data/interactions.h"

/* See topn_data_describe. Quantiles interpolate linearly between order statistics (Hyndman & Fan's type 7, as NumPy).
 */
topn_status data_describe(topn_context *context, const topn_data *data, topn_description *out);

#endif
