/* SPDX-License-Identifier: Apache-2.0
 *
 * The model in use and how it is replaced. A generation is a loaded model with all that is made from it; requests hold
 * a reference while they run, so a swap disturbs none, and the old one goes when the last has answered.
 */
#ifndef TOPN_SERVER_MODELS_H
#define TOPN_SERVER_MODELS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <topn/topn.h>

/* Immutable once it is in use. */
typedef struct generation {
    uint64_t number;  /* 1, 2, …: changes with every swap */
    char version[48]; /* "chol-2026-11-23T00:12:01Z-1f0c…": method, training time, fingerprint of the file */
    char *path;
    topn_model *model;
    topn_retriever *retriever; /* as the server's options say; exact where the new model has no such index (logged) */
    topn_retriever *exact;
    uint32_t *popular;  /* [topn_model_items] items by popularity, descending, ties by index: the fallback */
    bool popular_known; /* false: the model does not say, `popular` is in the order of the items */
    atomic_uint references;
} generation;

typedef struct models models;

/* Loads and checks; one line in `why` on failure. */
bool models_open(const char *path, const char *retriever, models **out, char *why, size_t why_size);
void models_close(models *models);
/* The generation in use, with a reference taken. Never NULL, never blocks on a load. */
generation *models_acquire(models *models);
void generation_release(generation *generation);
/* Loads `path` beside the one in use, warms it with one answer, then swaps; the one before is kept for models_rollback.
 * On failure nothing changes and `why` says why. */
bool models_swap(models *models, const char *path, char *why, size_t why_size);
/* Back to the generation before. false when there is none. */
bool models_rollback(models *models, char *why, size_t why_size);

#endif
