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

enum { MODEL_VERSION = 48 };

/* Immutable once it is in use. */
typedef struct generation {
    uint64_t number;             /* 1, 2, …: a new one with every swap, its own again after a rollback */
    char version[MODEL_VERSION]; /* "chol-1f0c5a205b1e77aa": method and hash of the file: the same wherever it is copied
                                    to */
    char *path;
    topn_model *model;
    topn_retriever *retriever; /* as the server's options say; exact where the new model has no such index (logged) */
    topn_retriever *exact;
    uint32_t *popular;  /* [topn_model_items] items by popularity, descending, ties by index: the fallback */
    bool popular_known; /* false: the model does not say, `popular` is in the order of the items */
    char note[256];     /* "" or why `retriever` is the exact one though another was asked for: for the log */
    int64_t written;    /* when the file was, seconds since 1970 */
    atomic_uint references;
} generation;
/* An entry of the model's metadata, "method"; NULL where it says none. Lent. */
const char *generation_metadata(const generation *generation, const char *wanted);

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
/* Back to the generation before, which takes its number along; the one left is kept, so that a second rollback takes
 * back the first. false when there is none. */
bool models_rollback(models *models, char *why, size_t why_size);

typedef struct models_counts {
    uint64_t swaps, refused, rollbacks; /* refused: swaps that failed */
} models_counts;
models_counts models_read_counts(models *models);

#endif
