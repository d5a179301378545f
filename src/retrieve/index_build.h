/* SPDX-License-Identifier: Apache-2.0
 *
 * Building an index of a model and measuring what it reaches.
 */
#ifndef TOPN_RETRIEVE_INDEX_BUILD_H
#define TOPN_RETRIEVE_INDEX_BUILD_H

#include "retrieve/retriever.h"

/* See topn_model_add_index. options: those that params came from, recorded as index.<kind>.option.*. The model is as it
 * was unless OK. */
topn_status index_add(topn_context *context, topn_model *model, const retriever_kind *kind, const void *params,
                      const topn_options *options);

#endif
