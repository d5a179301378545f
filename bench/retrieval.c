/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast the n best items are found over sparse embeddings, against plain loops over the same rows in the same run.
 *
 * usage: retrieval [ITEMS [NON-ZEROS [USERS [N]]]]        (41140 200 100 100)
 *
 * A table of random rows, denser towards the popular items as in a CHOL model, is written as a model file and loaded by
 * the library. All on one thread; the least of several repetitions counts.
 */
#include <topn/topn.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { REPETITIONS = 5, MOST_HISTORY = 60, ALIGNMENT = 64 };

typedef struct table {
    uint32_t items, length; /* `length` non-zeros in each row */
    uint64_t *indptr;       /* [items + 1] */
    uint32_t *indices;      /* [items × length], ascending in a row */
    float *values;          /* [items × length] */
} table;

typedef struct people {
    uint32_t count;
    uint64_t *indptr;  /* [count + 1] */
    uint32_t *indices; /* [indptr[count]] */
} people;

static uint64_t generator = 88172645463325252u;

static uint64_t next_bits(void)
{
    generator ^= generator << 13;
    generator ^= generator >> 7;
    generator ^= generator << 17;
    return generator;
}

static double next_uniform(void)
{
    return (double)(next_bits() >> 11) * 0x1p-53;
}

/* Processor time of this thread: other programs on the machine count less. */
static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *allocate(size_t count, size_t size)
{
    void *block = calloc(count, size);
    if (!block) {
        fprintf(stderr, "retrieval: no memory for %zu × %zu bytes\n", count, size);
        exit(1);
    }
    return block;
}

static void expect(topn_context *context, topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "retrieval: %s\n", topn_context_message(context));
    exit(1);
}

static int compare_indices(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* `count` distinct indices below `limit`, ascending, small ones likelier. `taken` [limit] is all 0 before and after. */
static void draw_indices(uint32_t limit, uint32_t count, unsigned char *taken, uint32_t *out)
{
    for (uint32_t filled = 0; filled < count;) {
        const uint32_t index = (uint32_t)((double)limit * pow(next_uniform(), 1.5));
        if (index < limit && !taken[index]) {
            taken[index] = 1;
            out[filled++] = index;
        }
    }
    qsort(out, count, sizeof *out, compare_indices);
    for (uint32_t place = 0; place < count; place++)
        taken[out[place]] = 0;
}

static table make_table(uint32_t items, uint32_t length)
{
    table rows = {.items = items, .length = length};
    unsigned char *taken = allocate(items, 1);
    rows.indptr = allocate((size_t)items + 1, sizeof *rows.indptr);
    rows.indices = allocate((size_t)items * length, sizeof *rows.indices);
    rows.values = allocate((size_t)items * length, sizeof *rows.values);
    for (uint32_t item = 0; item < items; item++) {
        draw_indices(items, length, taken, rows.indices + (size_t)item * length);
        rows.indptr[item + 1] = rows.indptr[item] + length;
    }
    for (size_t at = 0; at < (size_t)items * length; at++)
        rows.values[at] = (float)(next_uniform() - 0.5);
    free(taken);
    return rows;
}

static people make_people(uint32_t users, uint32_t items)
{
    people all = {.count = users};
    unsigned char *taken = allocate(items, 1);
    all.indptr = allocate((size_t)users + 1, sizeof *all.indptr);
    all.indices = allocate((size_t)users * MOST_HISTORY, sizeof *all.indices);
    for (uint32_t user = 0; user < users; user++) {
        const uint32_t most = items / 2 < MOST_HISTORY ? items / 2 : MOST_HISTORY;
        const uint32_t length = 1 + (uint32_t)(next_bits() % most);
        draw_indices(items, length, taken, all.indices + all.indptr[user]);
        all.indptr[user + 1] = all.indptr[user] + length;
    }
    free(taken);
    return all;
}

typedef struct array {
    const char *name, *type;
    size_t count, bytes;
    const void *values;
} array;

/* A safetensors file that holds a model of a bag encoder with shared rows; widest elements first, so that each array
 * is aligned. */
static bool write_model(FILE *file, const table *rows)
{
    char *ids = allocate(rows->items, 11), header[2048];
    uint64_t *offsets = allocate((size_t)rows->items + 1, sizeof *offsets);
    for (uint32_t item = 0; item < rows->items; item++)
        offsets[item + 1] = offsets[item] + (uint64_t)sprintf(ids + offsets[item], "%" PRIu32, item) + 1;
    const size_t nonzeros = (size_t)rows->items * rows->length, ends = (size_t)rows->items + 1;
    const array arrays[] = {
        {"encoder.indptr", "U64", ends, ends * sizeof(uint64_t), rows->indptr},
        {"item_ids.offsets", "U64", ends, ends * sizeof(uint64_t), offsets},
        {"encoder.indices", "U32", nonzeros, nonzeros * sizeof(uint32_t), rows->indices},
        {"encoder.values", "F32", nonzeros, nonzeros * sizeof(float), rows->values},
        {"item_ids.bytes", "U8", offsets[rows->items], offsets[rows->items], ids},
    };
    int length = snprintf(header, sizeof header,
                          "{\"__metadata__\":{\"topn.format\":\"1\",\"topn.kind\":\"model\",\"topn.encoder\":\"bag\","
                          "\"topn.items\":\"shared\",\"topn.dimensions\":\"%" PRIu32 "\",\"topn.normalizer\":\"0\","
                          "\"topn.use_weights\":\"false\"}",
                          rows->items);
    size_t offset = 0;
    for (size_t index = 0; index < sizeof arrays / sizeof *arrays; index++) {
        length += snprintf(header + length, sizeof header - (size_t)length,
                           ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}", arrays[index].name,
                           arrays[index].type, arrays[index].count, offset, offset + arrays[index].bytes);
        offset += arrays[index].bytes;
    }
    header[length++] = '}';
    while ((length + 8) % ALIGNMENT)
        header[length++] = ' ';
    const uint64_t header_bytes = (uint64_t)length;
    bool good = fwrite(&header_bytes, sizeof header_bytes, 1, file) == 1 &&
                fwrite(header, 1, (size_t)length, file) == (size_t)length;
    for (size_t index = 0; good && index < sizeof arrays / sizeof *arrays; index++)
        good = fwrite(arrays[index].values, 1, arrays[index].bytes, file) == arrays[index].bytes;
    free(ids);
    free(offsets);
    return good;
}

static topn_model *load_table(topn_context *context, const table *rows)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    topn_model *model = NULL;
    snprintf(path, sizeof path, "%s/topn-retrieval-XXXXXX", folder && *folder ? folder : "/tmp");
    const int descriptor = mkstemp(path);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    const bool written = file && write_model(file, rows);
    if (!file || fclose(file) != 0 || !written) {
        perror(path);
        exit(1);
    }
    const topn_status status = topn_model_load(context, path, &model);
    unlink(path);
    expect(context, status);
    return model;
}

/* The plain way: φ dense, one product per row, insertion into the list of the best. */
static double naive_checksum(const table *rows, const people *users, size_t n)
{
    float *phi = allocate(rows->items, sizeof *phi), *scores = allocate(rows->items, sizeof *scores);
    uint32_t *best = allocate(n + 1, sizeof *best);
    double checksum = 0.0;
    for (uint32_t user = 0; user < users->count; user++) {
        memset(phi, 0, rows->items * sizeof *phi);
        for (uint64_t place = users->indptr[user]; place < users->indptr[user + 1]; place++)
            for (uint64_t at = rows->indptr[users->indices[place]]; at < rows->indptr[users->indices[place] + 1]; at++)
                phi[rows->indices[at]] += rows->values[at];
        for (uint32_t item = 0; item < rows->items; item++) {
            float sum = 0.0f;
            for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++)
                sum += phi[rows->indices[at]] * rows->values[at];
            scores[item] = sum;
        }
        size_t found = 0;
        for (uint32_t item = 0; item < rows->items; item++) {
            if (found == n && !(scores[item] > scores[best[n - 1]]))
                continue;
            size_t place = found < n ? found++ : n - 1;
            for (; place > 0 && scores[best[place - 1]] < scores[item]; place--)
                best[place] = best[place - 1];
            best[place] = item;
        }
        for (size_t rank = 0; rank < found; rank++)
            checksum += (double)scores[best[rank]] + (double)best[rank] * (double)(rank + 1);
    }
    free(phi);
    free(scores);
    free(best);
    return checksum;
}

static bool add_answer(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    (void)user;
    for (size_t rank = 0; rank < found; rank++)
        *(double *)user_data += (double)scores[rank] + (double)items[rank] * (double)(rank + 1);
    return true;
}

static double many_checksum(topn_context *context, const topn_retriever *retriever, const topn_data *data, size_t n)
{
    const topn_request filters = {.include_seen = true};
    double checksum = 0.0;
    expect(context, topn_recommend_many(context, retriever, data, NULL, 0, n, &filters, add_answer, &checksum));
    return checksum;
}

static double single_checksum(topn_context *context, topn_query *query, const people *users, size_t n)
{
    uint32_t *items = allocate(n, sizeof *items);
    float *scores = allocate(n, sizeof *scores);
    double checksum = 0.0;
    for (uint32_t user = 0; user < users->count; user++) {
        const topn_request request = {.history = users->indices + users->indptr[user],
                                      .history_length = users->indptr[user + 1] - users->indptr[user],
                                      .include_seen = true};
        size_t found;
        expect(context, topn_recommend(query, &request, n, items, scores, &found));
        add_answer(user, items, scores, found, &checksum);
    }
    free(items);
    free(scores);
    return checksum;
}

static topn_context *single_threaded(void)
{
    topn_context *context;
    topn_options *options;
    if (topn_context_create(&context) != TOPN_OK)
        exit(1);
    expect(context, topn_options_create(context, TOPN_KIND_CONTEXT, "context", &options));
    expect(context, topn_options_set(context, options, "threads", "1"));
    expect(context, topn_context_apply(context, options));
    topn_options_free(options);
    return context;
}

static uint32_t argument(int count, char **arguments, int index, uint32_t standard)
{
    if (index >= count)
        return standard;
    char *end;
    const unsigned long value = strtoul(arguments[index], &end, 10);
    if (*end || value == 0 || value > UINT32_MAX) {
        fprintf(stderr, "retrieval: \"%s\" is not a count\n", arguments[index]);
        exit(2);
    }
    return (uint32_t)value;
}

int main(int count, char **arguments)
{
    const uint32_t items = argument(count, arguments, 1, 41140), length = argument(count, arguments, 2, 200);
    const uint32_t user_count = argument(count, arguments, 3, 100), n = argument(count, arguments, 4, 100);
    if (length > items / 2) {
        fprintf(stderr, "retrieval: %" PRIu32 " non-zeros of %" PRIu32 " are too many\n", length, items);
        return 2;
    }
    topn_context *context = single_threaded();
    table rows = make_table(items, length);
    people users = make_people(user_count, items);
    topn_model *model = load_table(context, &rows);
    topn_retriever *retriever;
    topn_query *query;
    topn_data *data;
    expect(context, topn_retriever_create(context, model, NULL, &retriever));
    expect(context, topn_query_create(context, retriever, &query));
    expect(context, topn_data_copy_csr(context, users.count, items, users.indptr, users.indices, NULL, &data));

    enum { NAIVE, MANY, SINGLE, FIRST, WAYS };
    static const char *const names[WAYS] = {"plain loops", "topn_recommend_many", "topn_recommend",
                                            "first topn_recommend_many"};
    double best[WAYS], checksums[WAYS];
    for (int way = 0; way < WAYS; way++)
        best[way] = INFINITY;
    for (int repetition = 0; repetition < REPETITIONS; repetition++) {
        for (int way = NAIVE; way <= SINGLE; way++) {
            const double start = seconds();
            checksums[way] = way == NAIVE  ? naive_checksum(&rows, &users, n)
                             : way == MANY ? many_checksum(context, retriever, data, n)
                                           : single_checksum(context, query, &users, n);
            const double taken = seconds() - start;
            if (way == MANY && repetition == 0)
                best[FIRST] = taken; /* lays the rows out for blocks */
            else if (taken < best[way])
                best[way] = taken;
        }
    }
    checksums[FIRST] = checksums[MANY];
    printf("%" PRIu32 " items, %" PRIu32 " non-zeros each, %" PRIu32 " users, top %" PRIu32 ", one thread\n", items,
           length, user_count, n);
    for (int way = 0; way < WAYS; way++)
        printf("%-26s %9.1f ms  %7.3f ms/user  %5.1f x  %s\n", names[way], best[way] * 1e3,
               best[way] * 1e3 / user_count, best[NAIVE] / best[way],
               fabs(checksums[way] / checksums[NAIVE] - 1.0) < 1e-6 ? "" : "OTHER ANSWERS");
    topn_data_free(data);
    topn_query_free(query);
    topn_retriever_free(retriever);
    topn_model_free(model);
    topn_context_free(context);
    free(rows.indptr);
    free(rows.indices);
    free(rows.values);
    free(users.indptr);
    free(users.indices);
    return 0;
}
