/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast the n best items are found, against plain loops over the same rows in the same run, and how near that comes
 * to what the machine's caches (sparse rows) or its arithmetic (dense rows) would allow.
 *
 * usage: retrieval [sparse|dense] [ITEMS [WIDTH [USERS [N]]]] [--threads T] [--index KIND]… [--keep FOLDER]
 *        (sparse 41140 200 100 100; WIDTH: non-zeros of a row, or columns of dense rows; T = 0: all processors)
 *
 * --index builds an index of that kind and answers single users through it, too. --keep writes the arrays, the
 * histories and the answers into FOLDER, for bench/peers/retrieval.py.
 *
 * Prints lines "name value" and what they mean. Least and median of several repetitions, by the clock on the wall: on
 * a quiet machine only.
 */
#include "made_rows.h"

#include <time.h>

enum { REPETITIONS = 15, MOST_KINDS = 8, PLAIN_USERS = 10, WARM = 3 };

typedef struct plan {
    bool dense;
    uint32_t items, width, users, n, threads;
    const char *kinds[MOST_KINDS];
    size_t kind_count;
    const char *keep;
} plan;

static topn_context *context;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void expect(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "retrieval: %s\n", topn_context_message(context));
    exit(1);
}

static int compare_times(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The value below which `share` of the sorted times lie. */
static double quantile(double *times, size_t count, double share)
{
    qsort(times, count, sizeof *times, compare_times);
    const size_t place = (size_t)(share * (double)count);
    return times[place < count ? place : count - 1];
}

typedef struct answers {
    size_t n;
    uint32_t *items; /* [users × n] */
    size_t *found;   /* [users] */
} answers;

static answers make_answers(uint32_t users, size_t n)
{
    return (answers){
        .n = n, .items = allocate((size_t)users * n, sizeof(uint32_t)), .found = allocate(users, sizeof(size_t))};
}

static void free_answers(answers *kept)
{
    free(kept->items);
    free(kept->found);
}

/* Share of the users' answers in `right` that are in `left`, too. */
static double overlap(const answers *left, const answers *right, uint32_t users)
{
    size_t common = 0, total = 0;
    for (uint32_t user = 0; user < users; user++) {
        total += right->found[user];
        for (size_t a = 0; a < right->found[user]; a++)
            for (size_t b = 0; b < left->found[user]; b++)
                common += right->items[user * right->n + a] == left->items[user * left->n + b];
    }
    return total ? (double)common / (double)total : 1.0;
}

/* φ of one user by the definition, [dimensions]. */
static void encode_plainly(const made_rows *rows, const made_users *users, uint32_t user, float *phi)
{
    const size_t width = rows->width;
    memset(phi, 0, (rows->dense ? width : rows->items) * sizeof *phi);
    for (uint64_t place = users->indptr[user]; place < users->indptr[user + 1]; place++) {
        const size_t begin = users->indices[place] * width;
        for (size_t at = begin; at < begin + width; at++)
            phi[rows->dense ? at - begin : rows->indices[at]] += rows->values[at];
    }
}

/* The plain way: φ dense, one product per row, insertion into the list of the best. */
static void answer_plainly(const made_rows *rows, const made_users *users, uint32_t count, answers *out)
{
    const size_t width = rows->width, n = out->n;
    float *phi = allocate(rows->dense ? width : rows->items, sizeof *phi);
    float *scores = allocate(rows->items, sizeof *scores);
    for (uint32_t user = 0; user < count; user++) {
        uint32_t *best = out->items + user * n;
        size_t found = 0;
        encode_plainly(rows, users, user, phi);
        for (uint32_t item = 0; item < rows->items; item++) {
            float sum = 0.0f;
            for (size_t at = item * width; at < (item + 1) * width; at++)
                sum += phi[rows->dense ? at - item * width : rows->indices[at]] * rows->values[at];
            scores[item] = sum;
            if (found == n && !(sum > scores[best[n - 1]]))
                continue;
            size_t place = found < n ? found++ : n - 1;
            for (; place > 0 && scores[best[place - 1]] < sum; place--)
                best[place] = best[place - 1];
            best[place] = item;
        }
        out->found[user] = found;
    }
    free(phi);
    free(scores);
}

static bool keep_answer(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    answers *kept = user_data;
    (void)scores;
    memcpy(kept->items + user * kept->n, items, found * sizeof *items);
    kept->found[user] = found;
    return true;
}

/* Batches of all users; returns the least time and sets the median and the first. */
static double time_batches(const topn_retriever *retriever, const topn_data *data, answers *out, double *median,
                           double *first)
{
    const topn_request filters = {.include_seen = true};
    double times[REPETITIONS];
    for (int repetition = -1; repetition < REPETITIONS; repetition++) {
        const double start = seconds();
        expect(topn_recommend_many(context, retriever, data, NULL, 0, out->n, &filters, keep_answer, out));
        *(repetition < 0 ? first : &times[repetition]) = seconds() - start;
    }
    *median = quantile(times, REPETITIONS, 0.5);
    return times[0];
}

/* All users, one after the other on one thread. */
static void time_single(const topn_retriever *retriever, const made_users *users, answers *out, double *median,
                        double *worst)
{
    topn_query *query;
    float *scores = allocate(out->n, sizeof *scores);
    double *times = allocate((size_t)users->count * WARM, sizeof *times);
    size_t timed = 0;
    expect(topn_query_create(context, retriever, &query));
    for (int repetition = 0; repetition <= WARM; repetition++) {
        for (uint32_t user = 0; user < users->count; user++) {
            const topn_request request = {.history = users->indices + users->indptr[user],
                                          .history_length = users->indptr[user + 1] - users->indptr[user],
                                          .include_seen = true};
            const double start = seconds();
            expect(topn_recommend(query, &request, out->n, out->items + user * out->n, scores, &out->found[user]));
            if (repetition)
                times[timed++] = seconds() - start;
        }
    }
    *median = quantile(times, timed, 0.5);
    *worst = quantile(times, timed, 0.99);
    topn_query_free(query);
    free(scores);
    free(times);
}

/* Sums blocks of a panel (rows of 64 floats, in the order given), as the sparse kernel reads it; one variant for each
 * width of vectors. */
typedef float wide __attribute__((vector_size(64), may_alias));
#define READ_PANEL                                                                                                     \
    wide sums[4] = {{0}};                                                                                              \
    for (size_t at = 0; at < count; at++) {                                                                            \
        const wide *const row = (const wide *)(panel + (size_t)order[at] * 64);                                        \
        for (int part = 0; part < 4; part++)                                                                           \
            sums[part] += row[part];                                                                                   \
    }                                                                                                                  \
    return sums[0][0] + sums[1][1] + sums[2][2] + sums[3][3];

static float read_panel_4(const float *panel, const uint16_t *order, size_t count)
{
    READ_PANEL
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static float read_panel_8(const float *panel, const uint16_t *order, size_t count)
{
    READ_PANEL
}

__attribute__((target("avx512f"))) static float read_panel_16(const float *panel, const uint16_t *order, size_t count)
{
    READ_PANEL
}
#endif

static float read_panel(const float *panel, const uint16_t *order, size_t count)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx512f"))
        return read_panel_16(panel, order, count);
    if (__builtin_cpu_supports("avx2"))
        return read_panel_8(panel, order, count);
#endif
    return read_panel_4(panel, order, count);
}

/* Bytes a second that all threads together read from half a megabyte each, which the second-level cache holds, in rows
 * of 256 bytes at random places: what bounds the sparse kernel. */
static double cache_bandwidth(uint32_t threads)
{
    enum { ROWS = 2048, READS = 1 << 20, ROUNDS = 8 };
    uint16_t *order = allocate(READS, sizeof *order);
    double best = 0.0;
    for (size_t at = 0; at < READS; at++)
        order[at] = (uint16_t)(next_bits() % ROWS);
    for (int round = 0; round < ROUNDS; round++) {
        double slowest = 0.0, sum = 0.0;
#pragma omp parallel num_threads((int)threads) reduction(max : slowest) reduction(+ : sum)
        {
            float *panel = aligned_alloc(FILE_ALIGNMENT, ROWS * 64 * sizeof *panel);
            for (size_t at = 0; panel && at < ROWS * 64; at++)
                panel[at] = 1e-3f;
            if (panel)
                sum += (double)read_panel(panel, order, ROWS);
#pragma omp barrier
            const double start = seconds();
            if (panel)
                sum += (double)read_panel(panel, order, READS);
            slowest = seconds() - start;
            free(panel);
        }
        const double bytes = 256.0 * READS * threads;
        if (sum > 0.0 && bytes / slowest > best)
            best = bytes / slowest;
    }
    free(order);
    return best;
}

static void write_kept(const plan *what, const made_users *users, const answers *batch)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/users.tsv", what->keep);
    FILE *file = fopen(path, "w");
    for (uint32_t user = 0; file && user < users->count; user++)
        for (uint64_t at = users->indptr[user]; at < users->indptr[user + 1]; at++)
            fprintf(file, "%" PRIu32 "\t%" PRIu32 "\n", user, users->indices[at]);
    bool good = file && fclose(file) == 0;
    snprintf(path, sizeof path, "%s/answers.u32", what->keep);
    file = fopen(path, "wb");
    good = good && file && fwrite(batch->items, sizeof *batch->items * batch->n, users->count, file) == users->count;
    if (!file || fclose(file) != 0 || !good) {
        perror(path);
        exit(1);
    }
}

static void time_index(const plan *what, topn_model *model, const made_users *users, const answers *exact,
                       const char *kind)
{
    topn_options *options;
    topn_retriever *retriever;
    answers found = make_answers(users->count, what->n);
    double median, worst;
    expect(topn_options_create(context, TOPN_KIND_RETRIEVER, kind, &options));
    const double start = seconds();
    expect(topn_model_add_index(context, model, options));
    const double built = seconds() - start;
    expect(topn_retriever_create(context, model, options, &retriever));
    time_single(retriever, users, &found, &median, &worst);
    printf("single.%s.build-s %.1f\nsingle.%s.p50-us %.1f\nsingle.%s.p99-us %.1f\nsingle.%s.overlap %.4f\n", kind,
           built, kind, 1e6 * median, kind, 1e6 * worst, kind, overlap(&found, exact, users->count));
    topn_retriever_free(retriever);
    topn_options_free(options);
    free_answers(&found);
}

/* What the batch would take if nothing but the reads of the panel, or nothing but the products, took time. */
static void print_limit(const plan *what, double batch)
{
    const double products = (double)what->items * what->width * what->users;
    if (what->dense) {
        printf("batch.gflops %.1f\n", 2e-9 * products / batch);
        return;
    }
    const double bandwidth = cache_bandwidth(what->threads), bytes = products * sizeof(float);
    printf("cache.gbytes-per-s %.1f\nbatch.cache-share %.2f\n", 1e-9 * bandwidth, bytes / bandwidth / batch);
}

static void run(const plan *what)
{
    made_rows rows =
        what->dense ? make_dense_rows(what->items, what->width) : make_sparse_rows(what->items, what->width);
    made_users users = make_users(what->users, &rows);
    topn_model *model;
    topn_retriever *retriever;
    topn_data *data;
    const uint32_t plain_users = what->users < PLAIN_USERS ? what->users : PLAIN_USERS;
    answers plain = make_answers(what->users, what->n), batch = make_answers(what->users, what->n);
    answers single = make_answers(what->users, what->n);
    double median, first, p50, p99;
    expect(load_made_rows(context, &rows, what->keep, &model));
    expect(topn_retriever_create(context, model, NULL, &retriever));
    expect(topn_data_copy_csr(context, users.count, what->items, users.indptr, users.indices, NULL, &data));
    const double least = time_batches(retriever, data, &batch, &median, &first);
    time_single(retriever, &users, &single, &p50, &p99);
    const double start = seconds();
    answer_plainly(&rows, &users, plain_users, &plain);
    const double plainly = (seconds() - start) / plain_users;
    printf("batch.ms %.2f\nbatch.median-ms %.2f\nbatch.first-ms %.1f\n", 1e3 * least, 1e3 * median, 1e3 * first);
    print_limit(what, least);
    printf("single.exact.p50-us %.1f\nsingle.exact.p99-us %.1f\n", 1e6 * p50, 1e6 * p99);
    printf("plain.ms-per-user %.2f\nbatch.times-plain %.1f\n", 1e3 * plainly, plainly * what->users / least);
    /* Rounding may exchange neighbours at the end of a list. */
    printf("batch.overlap %.4f\nsingle.exact.overlap %.4f\n", overlap(&batch, &plain, plain_users),
           overlap(&single, &batch, what->users));
    for (size_t kind = 0; kind < what->kind_count; kind++)
        time_index(what, model, &users, &single, what->kinds[kind]);
    if (what->keep)
        write_kept(what, &users, &batch);
    topn_data_free(data);
    topn_retriever_free(retriever);
    topn_model_free(model);
    free_answers(&plain);
    free_answers(&batch);
    free_answers(&single);
    free_made(&rows, &users);
}

static uint32_t read_count(const char *text)
{
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (*end || end == text || value > UINT32_MAX) {
        fprintf(stderr, "retrieval: \"%s\" is not a count\n", text);
        exit(2);
    }
    return (uint32_t)value;
}

static void read_plan(int count, char **arguments, plan *out)
{
    uint32_t *const numbers[] = {&out->items, &out->width, &out->users, &out->n};
    size_t filled = 0;
    bool wide_given = false;
    for (int at = 1; at < count; at++) {
        const char *word = arguments[at], *next = at + 1 < count ? arguments[at + 1] : "";
        if (!strcmp(word, "--threads"))
            out->threads = read_count(next), at++;
        else if (!strcmp(word, "--keep"))
            out->keep = next, at++;
        else if (!strcmp(word, "--index") && out->kind_count < MOST_KINDS)
            out->kinds[out->kind_count++] = next, at++;
        else if (!strcmp(word, "sparse") || !strcmp(word, "dense"))
            out->dense = *word == 'd';
        else if (filled < sizeof numbers / sizeof *numbers) {
            wide_given |= filled == 1;
            *numbers[filled++] = read_count(word);
        } else {
            fprintf(stderr, "retrieval: \"%s\" is one argument too many\n", word);
            exit(2);
        }
    }
    if (out->dense && !wide_given)
        out->width = 128;
    if (!out->items || !out->width || !out->users || !out->n || (!out->dense && out->width > out->items / 2)) {
        fprintf(stderr, "retrieval: counts are 1 or more, and rows at most half full\n");
        exit(2);
    }
    if (out->n > out->items)
        out->n = out->items;
}

int main(int count, char **arguments)
{
    plan what = {.items = 41140, .width = 200, .users = 100, .n = 100};
    topn_options *options;
    char threads[16];
    read_plan(count, arguments, &what);
    if (!what.threads)
        what.threads = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (topn_context_create(&context) != TOPN_OK)
        return 1;
    snprintf(threads, sizeof threads, "%" PRIu32, what.threads);
    expect(topn_options_create(context, TOPN_KIND_CONTEXT, "context", &options));
    expect(topn_options_set(context, options, "threads", threads));
    expect(topn_context_apply(context, options));
    topn_options_free(options);
    printf("# %s: %" PRIu32 " items x %" PRIu32 ", %" PRIu32 " users, top %" PRIu32 ", %s threads\n",
           what.dense ? "dense" : "sparse", what.items, what.width, what.users, what.n, threads);
    run(&what);
    topn_context_free(context);
    return 0;
}
