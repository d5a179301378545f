/* SPDX-License-Identifier: Apache-2.0
 *
 * Approximate retrieval against exact, one user after the other on one thread: seconds to build, bytes, microseconds
 * of a list (median and 99th percentile), and the share of the exact list that is found.
 *
 * usage: index MODEL|ITEMS [KIND[:OPTION=VALUE,…] …]      (20108, every kind that serves the model)
 *
 * MODEL is a model file that keeps histories. ITEMS makes a dense table of 128 columns with the look of trained ones:
 * items of 200 topics, correlated columns, norms that rise with popularity; users hold items of a few topics. With
 * TABLES=FOLDER in the environment the made table and the users' embeddings are left there as rows.f32 and
 * queries.f32, what bench/peers/hnswlib.sh reads. Options after the kind are those of `topn index`.
 */
#include <topn/topn.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COLUMNS = 128, TOPICS = 200, USERS = 1000, LONGEST = 40, ALIGNMENT = 64, LIST = 100, WARM = 50 };

typedef struct made {
    uint32_t items;
    float *rows;       /* [items × COLUMNS] */
    uint32_t *topics;  /* [items] */
    uint64_t *indptr;  /* [USERS + 1] */
    uint32_t *indices; /* [indptr[USERS]] ascending in a user */
} made;

static topn_context *context;
static uint64_t generator = 88172645463325252u;

static void expect(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "index: %s\n", topn_context_message(context));
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size);
    if (!block) {
        fprintf(stderr, "index: no memory for %zu × %zu bytes\n", count, size);
        exit(1);
    }
    return block;
}

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

static double next_normal(void)
{
    return sqrt(-2 * log(1 - next_uniform())) * cos(2 * acos(-1.0) * next_uniform());
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare_indices(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static int compare_seconds(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Item 0 is the most popular. A row is its topic's centre and as much noise, scaled to a norm that falls with the
 * rank, with noise of its own; columns have spreads that fall as singular values do. */
static void make_rows(made *out)
{
    float *centres = allocate((size_t)TOPICS * COLUMNS, sizeof *centres);
    double spread[COLUMNS];
    for (size_t column = 0; column < COLUMNS; column++)
        spread[column] = pow(1 + (double)column, -0.35);
    for (size_t at = 0; at < (size_t)TOPICS * COLUMNS; at++)
        centres[at] = (float)(next_normal() * spread[at % COLUMNS]);
    for (uint32_t item = 0; item < out->items; item++) {
        float *row = out->rows + (size_t)item * COLUMNS;
        double square = 0;
        out->topics[item] = (uint32_t)(TOPICS * pow(next_uniform(), 1.5));
        for (size_t column = 0; column < COLUMNS; column++) {
            const double value = (double)centres[out->topics[item] * COLUMNS + column] + next_normal() * spread[column];
            row[column] = (float)value;
            square += value * value;
        }
        const double norm = pow(1 + item / 50.0, -0.2) * exp(0.2 * next_normal());
        for (size_t column = 0; column < COLUMNS; column++)
            row[column] = (float)((double)row[column] * norm / sqrt(square));
    }
    free(centres);
}

/* Users take items of up to four topics, popular ones likelier. */
static void make_users(made *out)
{
    unsigned char *taken = allocate(out->items, 1);
    for (uint32_t user = 0; user < USERS; user++) {
        uint32_t *own = out->indices + out->indptr[user], liked[4];
        const uint32_t length = 5 + (uint32_t)(next_bits() % (LONGEST - 4));
        for (size_t topic = 0; topic < 4; topic++)
            liked[topic] = (uint32_t)(TOPICS * pow(next_uniform(), 1.5));
        uint32_t count = 0;
        for (uint32_t trial = 0; count < length; trial++) {
            const uint32_t item = (uint32_t)(out->items * pow(next_uniform(), 3));
            const uint32_t topic = out->topics[item];
            const bool wanted = topic == liked[0] || topic == liked[1] || topic == liked[2] || topic == liked[3];
            if (taken[item] || (!wanted && trial < 100000))
                continue;
            taken[item] = 1;
            own[count++] = item;
        }
        qsort(own, count, sizeof *own, compare_indices);
        for (uint32_t place = 0; place < count; place++)
            taken[own[place]] = 0;
        out->indptr[user + 1] = out->indptr[user] + count;
    }
    free(taken);
}

static made make(uint32_t items)
{
    made out = {.items = items};
    out.rows = allocate((size_t)items * COLUMNS, sizeof *out.rows);
    out.topics = allocate(items, sizeof *out.topics);
    out.indptr = allocate(USERS + 1, sizeof *out.indptr);
    out.indices = allocate((size_t)USERS * LONGEST, sizeof *out.indices);
    make_rows(&out);
    make_users(&out);
    return out;
}

static void made_clear(made *all)
{
    free(all->rows);
    free(all->topics);
    free(all->indptr);
    free(all->indices);
}

typedef struct array {
    const char *name, *type;
    size_t count, columns, bytes;
    const void *values;
} array;

static uint64_t *decimal_ids(uint32_t count, char *text)
{
    uint64_t *offsets = allocate((size_t)count + 1, sizeof *offsets);
    for (uint32_t index = 0; index < count; index++)
        offsets[index + 1] = offsets[index] + (uint64_t)sprintf(text + offsets[index], "%" PRIu32, index) + 1;
    return offsets;
}

/* A model of a bag encoder with shared dense rows and the users' histories; widest elements first, so that each array
 * is aligned. */
static bool write_model(FILE *file, const made *all)
{
    char *ids = allocate(all->items, 11), *users = allocate(USERS, 11), header[4096];
    uint64_t *offsets = decimal_ids(all->items, ids), *user_offsets = decimal_ids(USERS, users);
    const size_t numbers = (size_t)all->items * COLUMNS, events = all->indptr[USERS];
    const array arrays[] = {
        {"item_ids.offsets", "U64", all->items + 1, 0, (all->items + (size_t)1) * 8, offsets},
        {"user_ids.offsets", "U64", USERS + 1, 0, (USERS + (size_t)1) * 8, user_offsets},
        {"histories.indptr", "U64", USERS + 1, 0, (USERS + (size_t)1) * 8, all->indptr},
        {"encoder", "F32", all->items, COLUMNS, numbers * sizeof(float), all->rows},
        {"histories.indices", "U32", events, 0, events * sizeof(uint32_t), all->indices},
        {"item_ids.bytes", "U8", offsets[all->items], 0, offsets[all->items], ids},
        {"user_ids.bytes", "U8", user_offsets[USERS], 0, user_offsets[USERS], users},
    };
    int length = snprintf(header, sizeof header,
                          "{\"__metadata__\":{\"topn.format\":\"1\",\"topn.kind\":\"model\",\"topn.encoder\":\"bag\","
                          "\"topn.items\":\"shared\",\"topn.dimensions\":\"%d\",\"topn.normalizer\":\"0\","
                          "\"topn.use_weights\":\"false\"}",
                          COLUMNS);
    size_t offset = 0;
    for (size_t index = 0; index < sizeof arrays / sizeof *arrays; index++) {
        char columns[24] = "";
        if (arrays[index].columns)
            snprintf(columns, sizeof columns, ",%zu", arrays[index].columns);
        length +=
            snprintf(header + length, sizeof header - (size_t)length,
                     ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu%s],\"data_offsets\":[%zu,%zu]}", arrays[index].name,
                     arrays[index].type, arrays[index].count, columns, offset, offset + arrays[index].bytes);
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
    free(users);
    free(offsets);
    free(user_offsets);
    return good;
}

static topn_model *load_made(const made *all)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    topn_model *model = NULL;
    snprintf(path, sizeof path, "%s/topn-index-XXXXXX", folder && *folder ? folder : "/tmp");
    const int descriptor = mkstemp(path);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    const bool written = file && write_model(file, all);
    if (!file || fclose(file) != 0 || !written) {
        perror(path);
        exit(1);
    }
    const topn_status status = topn_model_load(context, path, &model);
    unlink(path);
    expect(status);
    return model;
}

static void leave(const char *folder, const char *name, const void *values, size_t bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    const bool good = file && fwrite(values, 1, bytes, file) == bytes;
    if (!file || fclose(file) != 0 || !good) {
        perror(path);
        exit(1);
    }
}

static void leave_tables(const made *all, const char *folder)
{
    float *queries = allocate((size_t)USERS * COLUMNS, sizeof *queries);
    for (uint32_t user = 0; user < USERS; user++)
        for (uint64_t at = all->indptr[user]; at < all->indptr[user + 1]; at++)
            for (size_t column = 0; column < COLUMNS; column++)
                queries[user * COLUMNS + column] += all->rows[(size_t)all->indices[at] * COLUMNS + column];
    leave(folder, "rows.f32", all->rows, (size_t)all->items * COLUMNS * sizeof(float));
    leave(folder, "queries.f32", queries, (size_t)USERS * COLUMNS * sizeof(float));
    free(queries);
}

/* One way of answering: the time of each user, and the lists. */
typedef struct answers {
    size_t users;
    double *seconds;
    uint32_t *items; /* [users × LIST] */
    size_t *found;   /* [users] */
} answers;

static answers ask(const topn_model *model, const topn_options *options)
{
    const uint32_t kept = topn_model_users(model);
    answers out = {.users = kept < USERS ? kept : USERS};
    topn_retriever *retriever;
    topn_query *query;
    float scores[LIST];
    out.seconds = allocate(out.users, sizeof *out.seconds);
    out.items = allocate(out.users * LIST, sizeof *out.items);
    out.found = allocate(out.users, sizeof *out.found);
    expect(topn_retriever_create(context, model, options, &retriever));
    expect(topn_query_create(context, retriever, &query));
    for (size_t turn = 0; turn < out.users + WARM; turn++) {
        const size_t user = turn < WARM ? turn % out.users : turn - WARM;
        /* All items may appear, as in the peers. */
        topn_request request = {.include_seen = true};
        request.history_length =
            topn_model_history(model, (uint32_t)(user * kept / out.users), &request.history, &request.weights);
        const double start = seconds();
        expect(topn_recommend(query, &request, LIST, out.items + user * LIST, scores, &out.found[user]));
        out.seconds[user] = seconds() - start;
    }
    topn_query_free(query);
    topn_retriever_free(retriever);
    return out;
}

static void answers_clear(answers *all)
{
    free(all->seconds);
    free(all->items);
    free(all->found);
}

static double overlap(const answers *exact, const answers *other)
{
    double sum = 0;
    for (size_t user = 0; user < exact->users; user++) {
        size_t both = 0;
        for (size_t a = 0; a < exact->found[user]; a++)
            for (size_t b = 0; b < other->found[user]; b++)
                both += exact->items[user * LIST + a] == other->items[user * LIST + b];
        sum += exact->found[user] ? (double)both / (double)exact->found[user] : 1;
    }
    return sum / (double)exact->users;
}

static const char *recorded(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
        if (strcmp(key, wanted) == 0)
            return value;
    return "";
}

static void report(const char *name, const char *built, const char *bytes, answers *all, const answers *exact)
{
    const double share = overlap(exact, all);
    double sum = 0;
    for (size_t user = 0; user < all->users; user++)
        sum += all->seconds[user];
    qsort(all->seconds, all->users, sizeof *all->seconds, compare_seconds);
    printf("%-40s %10s %12s %10.1f %10.1f %10.1f %11.4f\n", name, built, bytes, 1e6 * all->seconds[all->users / 2],
           1e6 * all->seconds[all->users * 99 / 100], 1e6 * sum / (double)all->users, share);
    fflush(stdout);
}

/* "kind:option=value,option=value": the options, and the kind's name in `kind` [64]. */
static topn_options *parse(const char *text, char *kind)
{
    topn_options *options;
    char *copy = strdup(text), *rest = copy, *word = strsep(&rest, ":");
    snprintf(kind, 64, "%s", word);
    expect(topn_options_create(context, TOPN_KIND_RETRIEVER, kind, &options));
    while ((word = strsep(&rest, ","))) {
        char *value = strchr(word, '=');
        if (!value) {
            fprintf(stderr, "index: \"%s\" is not OPTION=VALUE\n", word);
            exit(2);
        }
        *value++ = '\0';
        expect(topn_options_set(context, options, word, value));
    }
    free(copy);
    return options;
}

static void run(topn_model *model, const char *text, const answers *exact, bool given)
{
    char kind[64], key[128];
    topn_options *options = parse(text, kind);
    const topn_status status = topn_model_add_index(context, model, options);
    if (status == TOPN_ERROR_UNSUPPORTED && !given) {
        topn_options_free(options);
        return;
    }
    expect(status);
    answers found = ask(model, options);
    snprintf(key, sizeof key, "index.%s.bytes", kind);
    const char *bytes = recorded(model, key);
    snprintf(key, sizeof key, "run.index.%s.seconds", kind);
    report(text, recorded(model, key), bytes, &found, exact);
    answers_clear(&found);
    topn_options_free(options);
}

int main(int count, char **arguments)
{
    char *end = NULL;
    const char *what = count > 1 ? arguments[1] : "20108", *folder = getenv("TABLES");
    const unsigned long items = strtoul(what, &end, 10);
    topn_model *model;
    topn_entry entry;
    if (topn_context_create(&context) != TOPN_OK)
        return 1;
    if (*end || items == 0) {
        expect(topn_model_load(context, what, &model));
    } else {
        made all = make((uint32_t)items);
        model = load_made(&all);
        if (folder)
            leave_tables(&all, folder);
        made_clear(&all);
    }
    printf("%s: %" PRIu32 " items, lists of %d, %d threads build, one answers\n", what, topn_model_items(model), LIST,
           topn_context_threads(context));
    printf("%-40s %10s %12s %10s %10s %10s %11s\n", "retriever", "build s", "bytes", "p50 us", "p99 us", "mean us",
           "overlap@100");
    answers exact = ask(model, NULL);
    report("exact", "", "", &exact, &exact);
    for (int index = 2; index < count; index++)
        run(model, arguments[index], &exact, true);
    for (size_t index = 1; count < 3 && topn_registry_entry(TOPN_KIND_RETRIEVER, index, &entry); index++)
        run(model, entry.name, &exact, false);
    answers_clear(&exact);
    topn_model_free(model);
    topn_context_free(context);
    return 0;
}
