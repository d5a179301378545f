/* SPDX-License-Identifier: Apache-2.0
 *
 * The model's file and its neighbours: MODEL, which a server starts from; MODEL.new, which a retraining writes;
 * MODEL.previous, the one before. Whatever moment the machine stops at, MODEL is one whole file.
 */
#ifndef TOPN_SERVER_MODEL_FILES_H
#define TOPN_SERVER_MODEL_FILES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct model_files {
    char *model, *new, *previous, *linked; /* linked: a second name of `model` on its way to `previous` */
    char *folder;
} model_files;

/* false without memory. A link is followed: its target's folder holds all of them. */
bool model_files_name(const char *model, model_files *out);
void model_files_clear(model_files *files);
/* Removes what a retraining left behind that was killed. */
void model_files_sweep(const model_files *files);
/* MODEL becomes MODEL.previous, MODEL.new becomes MODEL. */
bool model_files_advance(const model_files *files, char *why, size_t why_size);
/* MODEL and MODEL.previous change places. */
bool model_files_exchange(const model_files *files, char *why, size_t why_size);

#endif
