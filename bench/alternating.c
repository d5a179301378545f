/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix factorisation by least squares against the machine's own limit, and its ways against each other: seconds per
 * sweep (both half sweeps, without the loss), the share of the rate of plain matrix products that the flops needed come
 * to, and the loss after every sweep, so that what a second buys can be compared.
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

static void run(const topn_data *data, const way *how, const char *factors, double limit)
{
    enum { SWEEPS = 3 };
    topn_options *options;
    topn_model *model;
    topn_cost cost;
    check(topn_options_create(context, TOPN_KIND_METHOD, how->method, &options));
    check(topn_options_set(context, options, "factors", factors));
    check(topn_options_set(context, options, "sweeps", "3"));
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
    topn_model_free(model);
    topn_options_free(options);
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
    for (size_t size = 0; size < sizes; size++)
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            const double block = w == 1 ? 128 : 0;
            if (strtod(list[size], NULL) > block)
                run(data, &ways[w], list[size], limit);
        }
    topn_data_free(data);
    topn_context_free(context);
    return 0;
}
