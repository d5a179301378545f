/* SPDX-License-Identifier: Apache-2.0
 *
 * How near training of the dense models comes to the machine's own limit: the rate of each phase of EASE, CHOL and the
 * inverse factor, in both layouts of the matrix, as a share of the rate of plain matrix products, both measured in this
 * run on all threads; and the peak memory beside the predicted one.
 *
 * usage: training [ITEMS [USERS]]        (8000 20000)
 *        training DATA                   any file that topn reads
 *
 * The peak is that of the process so far, so the runs that need least come first. The data are random with the
 * popularity of rank r falling as 1/(r + 20); what they hold does not change the arithmetic of the factorisations.
 */
#include <topn/topn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY = 40 };

static topn_context *context;

static void check(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "training: %s\n", topn_context_message(context));
    exit(1);
}

static int compare(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* users × HISTORY draws, duplicates within a history left out. */
static topn_data *make_data(uint32_t users, uint32_t items)
{
    uint64_t *indptr = calloc((size_t)users + 1, sizeof *indptr), state = 88172645463325252u;
    uint32_t *indices = calloc((size_t)users * HISTORY, sizeof *indices);
    if (!indptr || !indices)
        exit(1);
    const double spread = log((items + 20.0) / 20.0);
    for (uint32_t user = 0; user < users; user++) {
        uint32_t *row = indices + indptr[user];
        for (int draw = 0; draw < HISTORY; draw++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            const double uniform = (double)(state >> 11) * 0x1p-53;
            row[draw] = (uint32_t)(20 * (exp(uniform * spread) - 1));
        }
        qsort(row, HISTORY, sizeof *row, compare);
        uint32_t kept = 0;
        for (int draw = 0; draw < HISTORY; draw++)
            if (row[draw] < items && (kept == 0 || row[kept - 1] != row[draw]))
                row[kept++] = row[draw];
        indptr[user + 1] = indptr[user] + kept;
    }
    topn_data *data;
    check(topn_data_copy_csr(context, users, items, indptr, indices, NULL, &data));
    free(indptr);
    free(indices);
    return data;
}

static void keep_rate(const char *what, const char *value, const char *advice, void *user_data)
{
    (void)advice;
    if (strcmp(what, "matrix products") == 0)
        *(double *)user_data = strtod(value, NULL);
    if (strcmp(what, "BLAS kernel") == 0)
        printf("BLAS kernel %s\n", value);
}

static double figure(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
        if (strcmp(key, wanted) == 0)
            return strtod(value, NULL);
    return NAN;
}

/* One line: seconds, GFLOP/s and share of the limit. flops in units of items³. */
static void report(const char *phase, double seconds, double cubes, double items, double limit)
{
    const double rate = cubes * items * items * items / seconds * 1e-9;
    printf("  %-14s %9.3f s  %7.1f GFLOP/s  %5.1f %% of products\n", phase, seconds, rate, 100 * rate / limit);
}

static void train(const topn_data *data, const char *method, const char *storage, double limit)
{
    topn_options *options;
    topn_model *model;
    topn_cost cost;
    check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    check(topn_options_set(context, options, "k", "200"));
    check(topn_options_set(context, options, "storage", storage));
    check(topn_train_cost(context, data, options, &cost));
    check(topn_train(context, data, options, NULL, &model));
    const double items = topn_data_items(data);
    const double gram = figure(model, "run.seconds.gram"), factor = figure(model, "run.seconds.factor");
    const double total_cubes = cost.flops / (items * items * items);
    printf("%s --k 200 --storage %s\n", method, storage);
    printf("  %-14s %9.3f s\n", "gram", gram);
    report("factor", factor, 1.0 / 3, items, limit);
    report("invert", figure(model, "run.seconds.invert"), total_cubes < 0.9 ? 1.0 / 3 : 2.0 / 3, items, limit);
    const double again = figure(model, "run.seconds.factor-again");
    if (!isnan(again))
        report("factor again", again, 1.0 / 3, items, limit);
    const double prune = figure(model, strcmp(method, "ease") == 0 ? "run.seconds.weights" : "run.seconds.prune");
    printf("  %-14s %9.3f s\n", "prune", prune);
    const double ideal = cost.flops / limit * 1e-9, total = figure(model, "run.seconds.total");
    printf("  %-14s %9.3f s  %.2f x the time of its %.3g flops at the rate of products\n", "all", total, total / ideal,
           cost.flops);
    const double peak = figure(model, "run.peak-bytes") * 1e-9, predicted = (double)cost.peak_bytes * 1e-9;
    printf("  %-14s %9.2f GB  predicted %.2f GB, ratio %.2f  (4 N^2 = %.2f GB)\n", "peak", peak, predicted,
           peak / predicted, 4 * items * items * 1e-9);
    topn_model_free(model);
    topn_options_free(options);
}

int main(int count, char **arguments)
{
    static const char *const methods[] = {"inverse-factor", "ease", "chol"}, *const storages[] = {"half", "full"};
    char *end = NULL;
    const uint32_t items = count > 1 ? (uint32_t)strtoul(arguments[1], &end, 10) : 8000;
    const uint32_t users = count > 2 ? (uint32_t)strtoul(arguments[2], NULL, 10) : 20000;
    const bool from_file = end && *end;
    if ((!from_file && (!items || !users)) || count > (from_file ? 2 : 3)) {
        fprintf(stderr, "usage: training [ITEMS [USERS]] | training DATA\n");
        return 2;
    }
    if (topn_context_create(&context) != TOPN_OK)
        return 1;
    double limit = NAN;
    topn_data *data = NULL;
    check(topn_doctor(context, keep_rate, &limit));
    if (from_file)
        check(topn_data_read(context, arguments[1], NULL, &data));
    else
        data = make_data(users, items);
    printf("%u items, %u users, %llu events, %d threads; matrix products %.1f GFLOP/s\n", topn_data_items(data),
           topn_data_users(data), (unsigned long long)topn_data_events(data), topn_context_threads(context), limit);
    for (size_t storage = 0; storage < sizeof storages / sizeof *storages; storage++)
        for (size_t method = 0; method < sizeof methods / sizeof *methods; method++)
            train(data, methods[method], storages[storage], limit);
    topn_data_free(data);
    topn_context_free(context);
    return 0;
}
