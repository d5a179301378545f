/* SPDX-License-Identifier: Apache-2.0
 *
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011), keyed by (seed, stream) and
 * counted by index, so the value at an index depends on nothing else: not on threads, not on order.
 */
#ifndef TOPN_BASE_RANDOM_H
#define TOPN_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Streams keep uses of one seed apart. Add a row, never renumber. */
typedef enum random_stream {
    RANDOM_SPLIT_USERS = 1,
    RANDOM_SPLIT_EVENTS = 2,
    RANDOM_ORDER = 3,
    RANDOM_RESIDUAL = 4,
    RANDOM_LANCZOS = 5,
    RANDOM_BOOTSTRAP = 6,
    RANDOM_SIGN_FLIP = 7,
    RANDOM_DOCTOR = 8,
    RANDOM_GENERATE_RANKS = 9,
    RANDOM_GENERATE_NUMBERS = 10,
    RANDOM_GENERATE_LENGTHS = 11,
    RANDOM_GENERATE_INTERESTS = 12,
    RANDOM_GENERATE_EVENTS = 13,
    RANDOM_GENERATE_COVER = 14,
    RANDOM_PARAMETERS = 15, /* first values of trained parameters */
    RANDOM_SAMPLES = 16,    /* examples that stochastic gradients take */
    RANDOM_SPLIT_ITEMS = 17,
    RANDOM_INDEX_LEVELS = 18,    /* levels of items in a graph for retrieval */
    RANDOM_REPRESENTATIVES = 19, /* items that clusters of an index start from */
    RANDOM_NEGATIVES = 20,       /* negatives of sampled training */
    RANDOM_POSITIVES = 21,       /* the order of its positives */
    RANDOM_DROPOUT = 22,
    RANDOM_FOURIER = 23,       /* frequencies of random Fourier features */
    RANDOM_LAYERS = 24,        /* first weights of networks */
    RANDOM_INPUT_DROPOUT = 26, /* events that an autoencoder's input leaves out */
    RANDOM_LATENT = 27,        /* latent values of autoencoders */
} random_stream;

/* Four 32-bit words for (seed, stream, index). */
void random_block(uint64_t seed, random_stream stream, uint64_t index, uint32_t out[4]);
/* 64 random bits. */
uint64_t random_bits(uint64_t seed, random_stream stream, uint64_t index);
/* Uniform on [0, 1) with 53 bits. */
double random_uniform(uint64_t seed, random_stream stream, uint64_t index);
/* Uniform on 0 … bound−1, bound ≥ 1; bias below 2⁻³². */
uint32_t random_below(uint64_t seed, random_stream stream, uint64_t index, uint32_t bound);
/* Standard normal (Box–Muller). */
double random_normal(uint64_t seed, random_stream stream, uint64_t index);
/* `count` of them from index `first` on in single precision, many times as fast: within 10⁻⁷ of random_normal's. */
void random_normals(uint64_t seed, random_stream stream, uint64_t first, size_t count, float *out);

#endif
