/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model knows of its items beside their rows: how popular they were in the training data, and their attributes.
 * No score depends on them; filters and answers to unknown users do.
 */
#ifndef TOPN_MODEL_ITEM_FACTS_H
#define TOPN_MODEL_ITEM_FACTS_H

#include "data/stored.h"
#include "model/model.h"

enum { ITEM_FACTS_TENSORS = 6, FORMAT_ITEM_FACTS = 4 /* the first format that has them */ };

/* Popularity is the number of users with the item; attributes are the items' features as they were read, not scaled. */
topn_status item_facts_create(topn_context *context, const topn_data *data, topn_model *model);
/* Bytes that item_facts_create allocates. */
uint64_t item_facts_bytes(const topn_data *data);
topn_status item_facts_copy(topn_context *context, const topn_model *from, topn_model *out);
/* Those of the data's items fresh[count] behind those of the model, which stay as they are. */
topn_status item_facts_append(topn_context *context, const topn_data *data, const uint32_t *fresh, uint32_t count,
                              topn_model *model);
/* Frees what is not in a mapped file. */
void item_facts_clear(topn_model *model);
/* FORMAT or NUMERIC with the array. */
topn_status item_facts_check(topn_context *context, const topn_model *model);

bool item_facts_any(const topn_model *model);
void item_facts_tensors(tensor_list *list, const topn_model *model);
/* Lends the file's arrays; nothing where the file's format has none. */
topn_status item_facts_load(topn_context *context, const safetensors_file *file, topn_model *model);

#endif
