/* SPDX-License-Identifier: Apache-2.0
 *
 * The encoder of context fields in a model's file: arrays "fields.*" and metadata "topn.fields.*" (FORMAT.md).
 */
#ifndef TOPN_MODEL_FIELDS_FILE_H
#define TOPN_MODEL_FIELDS_FILE_H

#include "base/record.h"
#include "data/stored.h"
#include "model/fields_encoder.h"

/* Most arrays that such an encoder adds: of each field a table and two string tables, and ten others. */
enum { FIELDS_TENSORS = 5 * MOST_ENCODER_FIELDS + 10 };

/* Adds the encoder's arrays to the list, which lends them. */
void fields_tensors(tensor_list *list, const fields_encoder *encoder, uint32_t items);
topn_status fields_describe(topn_context *context, const fields_encoder *encoder, record *out);
/* Whether a key of the metadata is one of those. */
bool fields_is_key(const char *key);
/* "product", …; "pointwise" or "pairwise". */
const char *fields_composition_name(const fields_encoder *encoder);
const char *fields_loss_name(const fields_encoder *encoder);
/* Lends the file's arrays; shapes are for fields_encoder_check to judge, but for those that sizes are multiplied of. */
topn_status fields_load(topn_context *context, const safetensors_file *file, uint32_t items, fields_encoder *out);

#endif
