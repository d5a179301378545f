/* SPDX-License-Identifier: Apache-2.0
 *
 * A generation made from a model file: what models.c puts into use.
 */
#ifndef TOPN_SERVER_GENERATION_H
#define TOPN_SERVER_GENERATION_H

#include "models.h"

/* Loads, verifies, prepares and answers once. References 1, number 0. NULL with one line in `why`. */
generation *generation_load(const char *path, const char *retriever, char *why, size_t why_size);
void generation_hold(generation *generation);
/* The version that the model of this file goes by; false when it cannot be read. */
bool generation_version(const char *path, const topn_model *model, char version[MODEL_VERSION]);
/* Whether the file holds just this model. */
bool generation_is_file(const generation *generation, const char *path);

#endif
