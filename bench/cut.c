/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cut of the user's embedding costs and saves (P1 §4.3): for each M the overlap of the n best items with the
 * exact answer, and the time of a user asked alone and of all users together, one thread.
 *
 * usage: cut MODEL HISTORIES [N [USERS [M …]]]        (100 1000 20 50 100 200 500 1000 2000)
 *
 * HISTORIES is a file of events, such as test-seen.tsv of a split; items that the model does not know are left out. M
 * counts from the whole embedding, so a model's own cut does not matter. Overlap is the share of the exact answer's
 * items that the cut's answer holds, the mean over users. Single users: the median after a first round that warms up;
 * all users: the least of several rounds.
 */
#include <topn/topn.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 3 };

static topn_context *context;

typedef struct people {
    uint32_t count;
    topn_data *data;
    uint32_t *users;   /* [count] of data */
    uint64_t *indptr;  /* [count + 1] */
    uint32_t *indices; /* [indptr[count]] their histories in items of the model */
} people;

/* The best items of every user. */
typedef struct lists {
    size_t n;
    size_t *found;   /* [users] */
    uint32_t *items; /* [users × n] */
} lists;

static void expect(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "cut: %s\n", topn_context_message(context));
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size);
    if (!block) {
        fprintf(stderr, "cut: no memory for %zu × %zu bytes\n", count, size);
        exit(1);
    }
    return block;
}

/* Processor time of this thread: other programs on the machine count less. */
static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare_times(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The first `most` users, in the items of the model. */
static people read_people(const topn_model *model, const char *path, uint32_t most)
{
    topn_data *data;
    expect(topn_data_read(context, path, NULL, &data));
    people all = {.count = topn_data_users(data) < most ? topn_data_users(data) : most, .data = data};
    all.users = allocate(all.count, sizeof *all.users);
    all.indptr = allocate((size_t)all.count + 1, sizeof *all.indptr);
    all.indices = allocate(topn_data_events(data), sizeof *all.indices);
    for (uint32_t user = 0; user < all.count; user++) {
        const uint32_t *items;
        const size_t length = topn_data_history(data, user, &items, NULL);
        uint64_t to = all.indptr[user];
        for (size_t at = 0; at < length; at++)
            to += topn_model_find_item(model, topn_data_item_id(data, items[at]), &all.indices[to]);
        all.indptr[user + 1] = to;
        all.users[user] = user;
    }
    return all;
}

static topn_retriever *make_retriever(const topn_model *model, const char *cut)
{
    topn_options *options;
    topn_retriever *retriever;
    expect(topn_options_create(context, TOPN_KIND_RETRIEVER, "exact", &options));
    expect(topn_options_set(context, options, "cut", cut));
    expect(topn_retriever_create(context, model, options, &retriever));
    topn_options_free(options);
    return retriever;
}

/* Median seconds of a user asked alone; the answers go to `out`. */
static double ask_alone(const topn_retriever *retriever, const people *users, lists *out)
{
    topn_query *query;
    double *times = allocate(users->count, sizeof *times);
    float *scores = allocate(out->n, sizeof *scores);
    expect(topn_query_create(context, retriever, &query));
    for (int round = 0; round < 2; round++)
        for (uint32_t user = 0; user < users->count; user++) {
            const topn_request request = {.history = users->indices + users->indptr[user],
                                          .history_length = users->indptr[user + 1] - users->indptr[user]};
            const double start = seconds();
            expect(topn_recommend(query, &request, out->n, out->items + user * out->n, scores, &out->found[user]));
            times[user] = seconds() - start;
        }
    qsort(times, users->count, sizeof *times, compare_times);
    const double median = times[users->count / 2];
    topn_query_free(query);
    free(scores);
    free(times);
    return median;
}

static bool count_answer(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    (void)user;
    (void)items;
    (void)scores;
    *(size_t *)user_data += found;
    return true;
}

/* Seconds of all users together. */
static double ask_together(const topn_retriever *retriever, const people *users, size_t n)
{
    double best = INFINITY;
    for (int round = 0; round <= ROUNDS; round++) {
        size_t answers = 0;
        const double start = seconds();
        expect(topn_recommend_many(context, retriever, users->data, users->users, users->count, n, NULL, count_answer,
                                   &answers));
        const double taken = seconds() - start;
        if (round && taken < best)
            best = taken;
    }
    return best;
}

/* Mean share of the exact items that the other list holds. marks [items of the model] is all 0 before and after. */
static double overlap(const lists *exact, const lists *other, uint32_t users, unsigned char *marks)
{
    double sum = 0.0;
    for (uint32_t user = 0; user < users; user++) {
        const uint32_t *items = exact->items + user * exact->n;
        size_t common = 0;
        for (size_t place = 0; place < exact->found[user]; place++)
            marks[items[place]] = 1;
        for (size_t place = 0; place < other->found[user]; place++)
            common += marks[other->items[user * other->n + place]];
        for (size_t place = 0; place < exact->found[user]; place++)
            marks[items[place]] = 0;
        sum += exact->found[user] ? (double)common / (double)exact->found[user] : 1.0;
    }
    return sum / users;
}

static topn_context *single_threaded(void)
{
    topn_context *single;
    topn_options *options;
    if (topn_context_create(&single) != TOPN_OK)
        exit(1);
    context = single;
    expect(topn_options_create(context, TOPN_KIND_CONTEXT, "context", &options));
    expect(topn_options_set(context, options, "threads", "1"));
    expect(topn_context_apply(context, options));
    topn_options_free(options);
    return single;
}

static uint32_t argument(int count, char **arguments, int index, uint32_t standard)
{
    if (index >= count)
        return standard;
    char *end;
    const unsigned long value = strtoul(arguments[index], &end, 10);
    if (*end || value == 0 || value > UINT32_MAX) {
        fprintf(stderr, "cut: \"%s\" is not a count\n", arguments[index]);
        exit(2);
    }
    return (uint32_t)value;
}

static lists make_lists(uint32_t users, size_t n)
{
    return (lists){.n = n, .found = allocate(users, sizeof(size_t)), .items = allocate(users * n, sizeof(uint32_t))};
}

int main(int count, char **arguments)
{
    static const uint32_t standard[] = {20, 50, 100, 200, 500, 1000, 2000};
    enum { STANDARD = sizeof standard / sizeof *standard, FIRST_CUT = 5 };
    if (count < 3) {
        fprintf(stderr, "usage: cut MODEL HISTORIES [N [USERS [M …]]]\n");
        return 2;
    }
    const uint32_t n = argument(count, arguments, 3, 100), most = argument(count, arguments, 4, 1000);
    topn_model *model;
    single_threaded();
    expect(topn_model_load(context, arguments[1], &model));
    people users = read_people(model, arguments[2], most);
    lists exact = make_lists(users.count, n), other = make_lists(users.count, n);
    unsigned char *marks = allocate(topn_model_items(model), 1);
    double exact_alone = 0.0, exact_together = 0.0;
    printf("%" PRIu32 " items, %" PRIu32 " users, top %" PRIu32 ", one thread\n", topn_model_items(model), users.count,
           n);
    printf("%8s  %10s  %16s  %20s\n", "M", "overlap", "one user, ms", "all together, ms/user");
    const int cuts = count > FIRST_CUT ? count - FIRST_CUT : STANDARD;
    for (int index = -1; index < cuts; index++) {
        char cut[32] = "4294967295"; /* at least the dimensions: everything stays */
        if (index >= 0)
            snprintf(cut, sizeof cut, "%" PRIu32,
                     argument(count, arguments, FIRST_CUT + index, standard[index % STANDARD]));
        topn_retriever *retriever = make_retriever(model, cut);
        lists *answers = index < 0 ? &exact : &other;
        const double alone = ask_alone(retriever, &users, answers), together = ask_together(retriever, &users, n);
        if (index < 0) {
            exact_alone = alone;
            exact_together = together;
        }
        printf("%8s  %10.4f  %7.3f %6.1f x  %11.3f %6.1f x\n", index < 0 ? "all" : cut,
               overlap(&exact, answers, users.count, marks), alone * 1e3, exact_alone / alone,
               together * 1e3 / users.count, exact_together / together);
        topn_retriever_free(retriever);
    }
    free(exact.found);
    free(exact.items);
    free(other.found);
    free(other.items);
    free(marks);
    free(users.users);
    free(users.indptr);
    free(users.indices);
    topn_data_free(users.data);
    topn_model_free(model);
    topn_context_free(context);
    return 0;
}
