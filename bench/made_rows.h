/* SPDX-License-Identifier: Apache-2.0
 *
 * Made item tables for measurements of retrieval, sparse or dense, and users with histories; written as a model file of
 * a bag encoder with shared rows, which the library loads.
 */
#ifndef TOPN_BENCH_MADE_ROWS_H
#define TOPN_BENCH_MADE_ROWS_H

#include <topn/topn.h>

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_HISTORY = 60, FILE_ALIGNMENT = 64, GROUPS = 256, GROUPS_OF_USER = 3 };

typedef struct made_rows {
    bool dense;
    uint32_t items, width; /* columns of dense rows, non-zeros of each sparse one, which have a column for each item */
    uint64_t *indptr;      /* [items + 1] sparse only */
    uint32_t *indices;     /* [items × width] sparse only, ascending in a row */
    float *values;         /* [items × width] */
} made_rows;

typedef struct made_users {
    uint32_t count;
    uint64_t *indptr;  /* [count + 1] */
    uint32_t *indices; /* [indptr[count]], ascending for each user */
} made_users;

static uint64_t generator = 88172645463325252u;

static inline uint64_t next_bits(void)
{
    generator ^= generator << 13;
    generator ^= generator >> 7;
    generator ^= generator << 17;
    return generator;
}

static inline double next_uniform(void)
{
    return (double)(next_bits() >> 11) * 0x1p-53;
}

/* About normal, mean 0, variance 1: the sum of twelve uniform numbers less 6. */
static inline double next_normal(void)
{
    double sum = -6.0;
    for (int term = 0; term < 12; term++)
        sum += next_uniform();
    return sum;
}

static inline void *allocate(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size);
    if (!block) {
        fprintf(stderr, "retrieval: no memory for %zu × %zu bytes\n", count, size);
        exit(1);
    }
    return block;
}

static inline int compare_indices(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* `count` distinct indices below `limit`, ascending, small ones likelier: limit · u^exponent. `taken` [limit] is all 0
 * before and after. */
static inline void draw_indices(uint32_t limit, uint32_t count, double exponent, unsigned char *taken, uint32_t *out)
{
    for (uint32_t filled = 0; filled < count;) {
        const uint32_t index = (uint32_t)((double)limit * pow(next_uniform(), exponent));
        if (index < limit && !taken[index]) {
            taken[index] = 1;
            out[filled++] = index;
        }
    }
    qsort(out, count, sizeof *out, compare_indices);
    for (uint32_t place = 0; place < count; place++)
        taken[out[place]] = 0;
}

/* Random rows, denser towards the popular items as in a CHOL model. */
static inline made_rows make_sparse_rows(uint32_t items, uint32_t width)
{
    made_rows rows = {.items = items, .width = width};
    unsigned char *taken = allocate(items, 1);
    rows.indptr = allocate((size_t)items + 1, sizeof *rows.indptr);
    rows.indices = allocate((size_t)items * width, sizeof *rows.indices);
    rows.values = allocate((size_t)items * width, sizeof *rows.values);
    for (uint32_t item = 0; item < items; item++) {
        draw_indices(items, width, 1.5, taken, rows.indices + (size_t)item * width);
        rows.indptr[item + 1] = rows.indptr[item] + width;
    }
    for (size_t at = 0; at < (size_t)items * width; at++)
        rows.values[at] = (float)(next_uniform() - 0.5);
    free(taken);
    return rows;
}

/* Item i belongs to group i mod GROUPS: the group's centre and as much again of its own. */
static inline made_rows make_dense_rows(uint32_t items, uint32_t width)
{
    made_rows rows = {.dense = true, .items = items, .width = width};
    float *centres = allocate((size_t)GROUPS * width, sizeof *centres);
    rows.values = allocate((size_t)items * width, sizeof *rows.values);
    for (size_t at = 0; at < (size_t)GROUPS * width; at++)
        centres[at] = (float)next_normal();
    for (uint32_t item = 0; item < items; item++)
        for (uint32_t column = 0; column < width; column++)
            rows.values[(size_t)item * width + column] =
                0.1f * (centres[item % GROUPS * width + column] + (float)next_normal());
    free(centres);
    return rows;
}

/* One to sixty items each; with dense rows from three groups of items. */
static inline made_users make_users(uint32_t users, const made_rows *rows)
{
    made_users all = {.count = users};
    const uint32_t items = rows->items, most = items / 2 < MOST_HISTORY ? items / 2 : MOST_HISTORY;
    unsigned char *taken = allocate(items, 1);
    all.indptr = allocate((size_t)users + 1, sizeof *all.indptr);
    all.indices = allocate((size_t)users * MOST_HISTORY, sizeof *all.indices);
    for (uint32_t user = 0; user < users; user++) {
        uint32_t *history = all.indices + all.indptr[user];
        uint32_t length = 1 + (uint32_t)(next_bits() % most), kept = 0;
        draw_indices(items, length, 1.5, taken, history);
        for (uint32_t place = 0; rows->dense && items > GROUPS * 2 && place < length; place++)
            history[place] -= history[place] % GROUPS - (user * 7 + place % GROUPS_OF_USER) % GROUPS;
        qsort(history, length, sizeof *history, compare_indices);
        for (uint32_t place = 0; place < length; place++)
            if (history[place] < items && (kept == 0 || history[kept - 1] != history[place]))
                history[kept++] = history[place];
        all.indptr[user + 1] = all.indptr[user] + kept;
    }
    free(taken);
    return all;
}

static inline void free_made(made_rows *rows, made_users *users)
{
    free(rows->indptr);
    free(rows->indices);
    free(rows->values);
    free(users->indptr);
    free(users->indices);
}

typedef struct made_array {
    const char *name, *type;
    size_t count, columns, bytes; /* columns: 0 = one dimension */
    const void *values;
} made_array;

/* The header (FORMAT.md) of so many arrays; returns its length, a multiple of the alignment less its own 8 bytes. */
static inline int make_header(const made_rows *rows, const made_array *arrays, size_t count, char *out, size_t capacity)
{
    size_t offset = 0;
    int length = snprintf(out, capacity,
                          "{\"__metadata__\":{\"topn.format\":\"1\",\"topn.kind\":\"model\",\"topn.encoder\":\"bag\","
                          "\"topn.items\":\"shared\",\"topn.dimensions\":\"%" PRIu32 "\",\"topn.normalizer\":\"0\","
                          "\"topn.use_weights\":\"false\"}",
                          rows->dense ? rows->width : rows->items);
    for (size_t index = 0; index < count; index++) {
        const made_array *array = &arrays[index];
        char shape[64];
        if (array->columns)
            snprintf(shape, sizeof shape, "%zu,%zu", array->count, array->columns);
        else
            snprintf(shape, sizeof shape, "%zu", array->count);
        length += snprintf(out + length, capacity - (size_t)length,
                           ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", array->name,
                           array->type, shape, offset, offset + array->bytes);
        offset += array->bytes;
    }
    out[length++] = '}';
    while ((length + 8) % FILE_ALIGNMENT)
        out[length++] = ' ';
    return length;
}

/* Widest elements first, so that each array is aligned. */
static inline bool write_model(FILE *file, const made_rows *rows)
{
    char *ids = allocate(rows->items, 11), header[2048];
    uint64_t *offsets = allocate((size_t)rows->items + 1, sizeof *offsets);
    for (uint32_t item = 0; item < rows->items; item++)
        offsets[item + 1] = offsets[item] + (uint64_t)sprintf(ids + offsets[item], "%" PRIu32, item) + 1;
    const size_t values = (size_t)rows->items * rows->width, ends = (size_t)rows->items + 1;
    made_array arrays[5];
    size_t count = 0;
    if (!rows->dense)
        arrays[count++] = (made_array){"encoder.indptr", "U64", ends, 0, ends * sizeof(uint64_t), rows->indptr};
    arrays[count++] = (made_array){"item_ids.offsets", "U64", ends, 0, ends * sizeof(uint64_t), offsets};
    if (rows->dense) {
        arrays[count++] =
            (made_array){"encoder", "F32", rows->items, rows->width, values * sizeof(float), rows->values};
    } else {
        arrays[count++] = (made_array){"encoder.indices", "U32", values, 0, values * sizeof(uint32_t), rows->indices};
        arrays[count++] = (made_array){"encoder.values", "F32", values, 0, values * sizeof(float), rows->values};
    }
    arrays[count++] = (made_array){"item_ids.bytes", "U8", offsets[rows->items], 0, offsets[rows->items], ids};
    const int length = make_header(rows, arrays, count, header, sizeof header);
    const uint64_t header_bytes = (uint64_t)length;
    bool good = fwrite(&header_bytes, sizeof header_bytes, 1, file) == 1 &&
                fwrite(header, 1, (size_t)length, file) == (size_t)length;
    for (size_t index = 0; good && index < count; index++)
        good = fwrite(arrays[index].values, 1, arrays[index].bytes, file) == arrays[index].bytes;
    free(ids);
    free(offsets);
    return good;
}

/* The model of these rows, through a file: FOLDER/model.safetensors, or with NULL one that is gone afterwards. */
static inline topn_status load_made_rows(topn_context *context, const made_rows *rows, const char *folder,
                                         topn_model **out)
{
    const char *elsewhere = getenv("TMPDIR");
    char path[4096];
    if (folder)
        snprintf(path, sizeof path, "%s/model.safetensors", folder);
    else
        snprintf(path, sizeof path, "%s/topn-retrieval-XXXXXX", elsewhere && *elsewhere ? elsewhere : "/tmp");
    const int descriptor = folder ? -1 : mkstemp(path);
    FILE *file = folder ? fopen(path, "wb") : descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    const bool written = file && write_model(file, rows);
    if (!file || fclose(file) != 0 || !written) {
        perror(path);
        exit(1);
    }
    const topn_status status = topn_model_load(context, path, out);
    if (!folder)
        unlink(path);
    return status;
}

#endif
