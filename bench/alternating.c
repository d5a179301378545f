/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix factorisation by least squares against the machine's own limit, and its ways against each other: seconds per
 * sweep (both half sweeps, without the loss), the share of the rate of plain matrix products that the flops needed come
 * to, the loss after every sweep, and for every number of factors the seconds each way takes to the loss that all of
 * them reach (the highest of their last losses; linear between two sweeps).
 *
 * usage: alternating DATA [FACTORS…]      (64 128 256 512)
 *
 * "topn generate --like ml20m -o DATA" makes the shape of MovieLens 20M. Flops are those of the prediction: per half
 * sweep |S|·d·(b + 6) for statistics, residuals and gradients of blocks of b columns, and for every row d·b²/3 + 4·d²;
 * a conjugate gradient step takes 4·d a pair and 2·d² a row.
 */
#include <topn/topn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static topn_context *context;

static void check(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "alternating: %s\n", topn_context_message(context));
    exit(1);
}

static void keep_rate(const char *what, const char *value, const char *advice, void *user_data)
{
    (void)advice;
    if (strcmp(what, "matrix products") == 0)
        *(double *)user_data = strtod(value, NULL);
    if (strcmp(what, "BLAS kernel") == 0)
        printf("BLAS kernel %s\n", value);
}

static const char *text(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
        if (strcmp(key, wanted) == 0)
            return value;
    return "nan";
}

/* One way of solving: a method and options as "name=value name=value …". */
typedef struct way {
    const char *label, *method, *options;
} way;

static void set_options(topn_options *options, const char *list)
{
    char copy[256], *rest = copy;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *pair = strtok_r(rest, " ", &rest); pair; pair = strtok_r(rest, " ", &rest)) {
        char *value = strchr(pair, '=');
        *value++ = '\0';
        check(topn_options_set(context, options, pair, value));
    }
}

enum { SWEEPS = 6, MAX_WAYS = 8 };

/* What one way did: seconds of a sweep, loss after each. */
typedef struct course {
    const char *label;
    double seconds, losses[SWEEPS];
} course;

static void print_times_to(const course *courses, size_t count)
{
    double target = 0;
    for (size_t c = 0; c < count; c++)
        target = fmax(target, courses[c].losses[SWEEPS - 1]);
    printf("       to the loss %.6g:", target);
    for (size_t c = 0; c < count; c++) {
        const double *losses = courses[c].losses;
        size_t sweep = 0;
        while (sweep + 1 < SWEEPS && losses[sweep] > target)
            sweep++;
        const double share =
            sweep > 0 ? (losses[sweep - 1] - target) / (losses[sweep - 1] - losses[sweep]) : 1; /* of the last sweep */
        printf("%s %s %.2f s", c ? "," : "", courses[c].label, ((double)sweep + share) * courses[c].seconds);
    }
    printf("\n");
}

static course run(const topn_data *data, const way *how, const char *factors, double limit)
{
    topn_options *options;
    topn_model *model;
    topn_cost cost;
    check(topn_options_create(context, TOPN_KIND_METHOD, how->method, &options));
    check(topn_options_set(context, options, "factors", factors));
    char sweeps[16];
    snprintf(sweeps, sizeof sweeps, "%d", SWEEPS);
    check(topn_options_set(context, options, "sweeps", sweeps));
    check(topn_options_set(context, options, "keep-histories", "false"));
    set_options(options, how->options);
    check(topn_train_cost(context, data, options, &cost));
    check(topn_train(context, data, options, NULL, &model));
    const double seconds =
        (strtod(text(model, "run.seconds.contexts"), NULL) + strtod(text(model, "run.seconds.items"), NULL)) / SWEEPS;
    const double rate = cost.flops / SWEEPS / seconds * 1e-9;
    printf("%5s  %-22s %8.2f s  %7.1f GFLOP/s %5.1f %%  peak %.2f GB, predicted %.2f  loss %s\n", factors, how->label,
           seconds, rate, 100 * rate / limit, strtod(text(model, "run.peak-bytes"), NULL) * 1e-9,
           (double)cost.peak_bytes * 1e-9, text(model, "train.losses"));
    fflush(stdout);
    course result = {how->label, seconds, {0}};
    const char *losses = text(model, "train.losses");
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        char *end;
        result.losses[sweep] = strtod(losses, &end);
        losses = *end ? end + 1 : end;
    }
    topn_model_free(model);
    topn_options_free(options);
    return result;
}

int main(int count, char **arguments)
{
    static const char *const standard[] = {"64", "128", "256", "512"};
    static const way ways[] = {
        {"blocks of 64", "ials", "block=64"}, {"blocks of 128", "ials", "block=128"},
        {"all columns", "ials", "block=0"},   {"3 conjugate gradients", "ials", "solver=cg cg-steps=3"},
        {"single columns", "icd", ""},
    };
    if (count < 2) {
        fprintf(stderr, "usage: alternating DATA [FACTORS…]\n");
        return 2;
    }
    if (topn_context_create(&context) != TOPN_OK)
        return 1;
    double limit = NAN;
    topn_data *data = NULL;
    check(topn_doctor(context, keep_rate, &limit));
    check(topn_data_read(context, arguments[1], NULL, &data));
    printf("%u items, %u users, %llu events, %d threads; matrix products %.1f GFLOP/s\n", topn_data_items(data),
           topn_data_users(data), (unsigned long long)topn_data_events(data), topn_context_threads(context), limit);
    const char *const *list = count > 2 ? (const char *const *)arguments + 2 : standard;
    const size_t sizes = count > 2 ? (size_t)count - 2 : sizeof standard / sizeof *standard;
    for (size_t size = 0; size < sizes; size++) {
        course courses[MAX_WAYS];
        size_t done = 0;
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            const double block = w == 1 ? 128 : 0;
            if (strtod(list[size], NULL) > block)
                courses[done++] = run(data, &ways[w], list[size], limit);
        }
        print_times_to(courses, done);
    }
    topn_data_free(data);
    topn_context_free(context);
    return 0;
}
