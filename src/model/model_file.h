/* SPDX-License-Identifier: Apache-2.0
 *
 * Models in their file (FORMAT.md).
 */
#ifndef TOPN_MODEL_MODEL_FILE_H
#define TOPN_MODEL_MODEL_FILE_H

#include "model/fields_file.h"
#include "model/item_facts.h"
#include "model/model.h"
#include "model/network_file.h"

/* Most arrays that a model has. */
enum {
    MODEL_TENSORS = 24 + ITEM_FACTS_TENSORS + FIELDS_TENSORS + NETWORK_TENSORS + MODEL_INDEXES * MODEL_INDEX_ARRAYS
};

/* The model's arrays in the order of its file; they lend what the model holds. Returns how many. */
size_t model_tensors(const topn_model *model, tensor out[MODEL_TENSORS]);
/* What the model is, as metadata of its file: "topn.encoder" and the like. false past the end. */
bool model_structure(const topn_model *model, size_t index, const char **key, const char **value);
/* Atomic. Metadata "run.*" (seconds, threads, …) are left out: same model, same bytes. */
topn_status model_save(topn_context *context, const topn_model *model, const char *path);
/* Maps, verifies and checks everything; FORMAT or NUMERIC with path and array. */
topn_status model_load(topn_context *context, const char *path, topn_model **out);

#endif
