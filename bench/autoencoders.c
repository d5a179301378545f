/* SPDX-License-Identifier: Apache-2.0
 *
 * How near a sweep of an autoencoder comes to the machine's own limit: the rate at which it works off the flops of its
 * layers, as a share of the rate of plain matrix products, both measured in this run on all threads; and the peak
 * memory beside the predicted one.
 *
 * usage: autoencoders [METHOD [ITEMS [USERS]]]       (mult-vae 20108 12000)
 *
 * MovieLens 20M as the papers split it has 20108 items and 116677 users with 73 events on average. A sweep's time goes
 * by users; what all of them would take is said, too. What a sweep does once, such as looking for values that are not
 * finite, weighs more with fewer users.
 *
 * Flops counted of a user: those of the layers, 2·weights forward and as many for each of both derivatives, where a
 * pass takes them; of the sums over histories, 2·width for each event that is not dropped, forward and backward; of the
 * VampPrior, 12 for each value of each pseudo-input. recvae: when a sweep begins, all users go through the encoder as
 * it is then, once; a pass of the encoder leaves the items' rows as they are; one of the decoder needs no derivatives
 * by what lies before the items' rows. Likelihood, activations, normalisation, random numbers and Adam are not counted:
 * they are what is lost.
 */
#include <topn/topn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HISTORY = 90, SWEEPS = 3, ML20M_USERS = 116677 };

/* Widths by default, and what a pass over the users comes to: of x, of h, weights of the layers between. */
typedef struct shape {
    const char *method;
    double width, outputs, weights, prior; /* prior: flops of a user */
    int encoder_passes, decoder_passes;
    bool looks_back; /* at what the encoder said when the sweep began */
} shape;
static const shape shapes[] = {
    {"mult-dae", 200, 200, 0, 0, 1, 0, false},
    {"mult-vae", 600, 600, 600 * 400 + 200 * 600, 0, 1, 0, false},
    /* Five pseudo-inputs for a user of a batch go through the layer of the means. */
    {"hvamp", 2400, 600, 600 * 400 * (1 + 5) + 4 * 200 * 1200 + 2 * 1200 * 1200 + 2 * 600 * 400, 12.0 * 1000 * 200, 1,
     0, false},
    {"recvae", 600, 200, 4 * 600 * 600 + 600 * 400, 0, 3, 1, true},
};
static const double kept_share = 0.5; /* share of the events that is not dropped */

/* Of a pass that trains the encoder, and all else where nothing else does. events: of a user. */
static double encoder_flops(const shape *of, double items, double events)
{
    const double last = items * of->outputs, sums = events * of->width;
    return (of->decoder_passes ? 4 : 6) * last + 6 * of->weights + 4 * kept_share * sums + of->prior;
}

static double decoder_flops(const shape *of, double items, double events)
{
    return 4 * items * of->outputs + 2 * of->weights + 2 * events * of->width;
}

/* Of a user in a sweep. */
static double sweep_flops(const shape *of, double items, double events)
{
    return of->encoder_passes * encoder_flops(of, items, events) +
           of->decoder_passes * decoder_flops(of, items, events) +
           (of->looks_back ? 2 * of->weights + 2 * events * of->width : 0);
}

static topn_context *context;

static void check(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "autoencoders: %s\n", topn_context_message(context));
    exit(1);
}

static int compare(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* users × HISTORY draws by popularity, 1/(rank + 20), duplicates within a history left out. */
static topn_data *make_data(uint32_t users, uint32_t items)
{
    uint64_t *indptr = calloc((size_t)users + 1, sizeof *indptr), state = 88172645463325252u;
    uint32_t *indices = calloc((size_t)users * HISTORY, sizeof *indices);
    if (!indptr || !indices)
        exit(1);
    const double spread = log((items + 20.0) / 20.0);
    for (uint32_t user = 0; user < users; user++) {
        uint32_t *row = indices + indptr[user], kept = 0;
        for (int draw = 0; draw < HISTORY; draw++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            row[draw] = (uint32_t)(20 * (exp((double)(state >> 11) * 0x1p-53 * spread) - 1));
        }
        qsort(row, HISTORY, sizeof *row, compare);
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
}

static double products_rate(void)
{
    double rate = NAN;
    check(topn_doctor(context, keep_rate, &rate));
    return rate;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* When each sweep ended; [0]: the first began. */
static bool watch(const topn_progress *progress, void *user_data)
{
    double *ends = user_data;
    if (strcmp(progress->stage, "sweep") == 0 && progress->done <= SWEEPS)
        ends[progress->done] = now();
    return true;
}

static double figure(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
        if (strcmp(key, wanted) == 0)
            return strtod(value, NULL);
    return NAN;
}

static void train(const topn_data *data, const shape *of, double limit)
{
    topn_options *options;
    topn_model *model;
    topn_cost cost;
    double ends[SWEEPS + 1], seconds = INFINITY;
    const double users = topn_data_users(data), items = topn_data_items(data);
    check(topn_options_create(context, TOPN_KIND_METHOD, of->method, &options));
    check(topn_options_set(context, options, "sweeps", "3"));
    check(topn_train_cost(context, data, options, &cost));
    topn_context_set_progress(context, watch, ends);
    check(topn_train(context, data, options, NULL, &model));
    topn_context_set_progress(context, NULL, NULL);
    for (int sweep = 1; sweep <= SWEEPS; sweep++)
        seconds = fmin(seconds, ends[sweep] - ends[sweep - 1]);
    const double events = (double)topn_data_events(data) / users;
    const double flops = users * sweep_flops(of, items, events);
    limit = (limit + products_rate()) / 2; /* of before and after: the rate of a shared machine changes */
    printf("%s: %.3f s a sweep, %.1f GFLOP/s, %.1f %% of products, %.1f GFLOP/s; %.0f s with the %d users of MovieLens "
           "20M\n",
           of->method, seconds, flops / seconds * 1e-9, 100 * flops / seconds * 1e-9 / limit, limit,
           seconds * ML20M_USERS / users, ML20M_USERS);
    const double peak = figure(model, "run.peak-bytes") * 1e-9, predicted = (double)cost.peak_bytes * 1e-9;
    printf("  peak %.2f GB, predicted %.2f GB, ratio %.2f\n", peak, predicted, peak / predicted);
    topn_model_free(model);
    topn_options_free(options);
}

int main(int count, char **arguments)
{
    const char *method = count > 1 ? arguments[1] : "mult-vae";
    const uint32_t items = count > 2 ? (uint32_t)strtoul(arguments[2], NULL, 10) : 20108;
    const uint32_t users = count > 3 ? (uint32_t)strtoul(arguments[3], NULL, 10) : 12000;
    const shape *found = NULL;
    for (size_t at = 0; at < sizeof shapes / sizeof *shapes; at++)
        if (strcmp(shapes[at].method, method) == 0)
            found = &shapes[at];
    if (!found || !items || !users) {
        fprintf(stderr, "usage: autoencoders [mult-dae|mult-vae|hvamp|recvae [ITEMS [USERS]]]\n");
        return 2;
    }
    if (topn_context_create(&context) != TOPN_OK)
        return 1;
    const double limit = products_rate();
    topn_data *data = make_data(users, items);
    printf("%u items, %u users, %llu events, %d threads; matrix products %.1f GFLOP/s\n", topn_data_items(data),
           topn_data_users(data), (unsigned long long)topn_data_events(data), topn_context_threads(context), limit);
    train(data, found, limit);
    topn_data_free(data);
    topn_context_free(context);
    return 0;
}
