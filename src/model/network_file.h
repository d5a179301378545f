/* SPDX-License-Identifier: Apache-2.0
 *
 * The encoder of networks in a model's file: arrays "network.*" and metadata "topn.network.*" (FORMAT.md).
 */
#ifndef TOPN_MODEL_NETWORK_FILE_H
#define TOPN_MODEL_NETWORK_FILE_H

#include "base/record.h"
#include "data/stored.h"
#include "model/network_encoder.h"

/* Most arrays that such an encoder adds: bags, two tables with features, a sparse matrix, four arrays of each layer. */
enum { NETWORK_TENSORS = MOST_NETWORK_BAGS + 2 * 3 + 3 + 2 * 4 * MOST_LAYERS };

/* Adds the encoder's arrays to the list, which lends them. */
void network_tensors(tensor_list *list, const network_encoder *encoder);
topn_status network_describe(topn_context *context, const network_encoder *encoder, record *out);
/* Whether a key of the metadata is one of those. */
bool network_is_key(const char *key);
/* Lends the file's arrays; what does not follow from their sizes is for network_encoder_check to judge. */
topn_status network_load(topn_context *context, const safetensors_file *file, network_encoder *out);

#endif
