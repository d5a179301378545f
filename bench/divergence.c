/* SPDX-License-Identifier: Apache-2.0
 *
 * How far one model's rankings are from another's: p(i | c) ∝ exp(ν·score) over all items, for users that both models
 * keep, answered by their names.
 *
 * usage: divergence TRUTH MODEL [ν [USERS]]       (1 1000)
 *
 * Prints four means over users (those of TRUTH at equal distances): the Kullback–Leibler divergence Σ p ln(p/q) of
 * MODEL's q from TRUTH's p, in nats; the total variation Σ |p − q|/2; the share of TRUTH's 20 best unseen items among
 * MODEL's; and the root of the mean squared difference of scores, each less the user's mean.
 */
#include <topn/topn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BEST = 20 };

typedef struct side {
    topn_model *model;
    topn_retriever *retriever;
    topn_query *query;
    float *scores; /* [items of the truth] */
    double *shares;
    uint32_t best[BEST];
    size_t found;
} side;

static topn_context *context;

static void expect(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "divergence: %s\n", topn_context_message(context));
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size);
    if (!block) {
        fprintf(stderr, "divergence: no memory for %zu × %zu bytes\n", count, size);
        exit(1);
    }
    return block;
}

static void open_side(const char *path, side *out)
{
    expect(topn_model_load(context, path, &out->model));
    expect(topn_retriever_create(context, out->model, NULL, &out->retriever));
    expect(topn_query_create(context, out->retriever, &out->query));
}

static void close_side(side *what)
{
    topn_query_free(what->query);
    topn_retriever_free(what->retriever);
    topn_model_free(what->model);
    free(what->scores);
    free(what->shares);
}

/* Scores of all items, by the truth's numbers, less their mean; their softmax; the 20 best unseen. */
static void answer(side *of, uint32_t user, const uint32_t *items, uint32_t count, double nu)
{
    topn_request request = {0};
    float scores[BEST];
    request.history_length = topn_model_history(of->model, user, &request.history, &request.weights);
    expect(topn_score(of->query, &request, items, count, of->scores));
    expect(topn_recommend(of->query, &request, BEST, of->best, scores, &of->found));
    double mean = 0, top = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < count; i++)
        mean += (double)of->scores[i] / count;
    for (uint32_t i = 0; i < count; i++) {
        of->scores[i] -= (float)mean;
        top = fmax(top, nu * (double)of->scores[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        sum += exp(nu * (double)of->scores[i] - top);
    for (uint32_t i = 0; i < count; i++)
        of->shares[i] = nu * (double)of->scores[i] - top - log(sum); /* ln p */
}

static void add_distances(const side *truth, const side *other, const uint32_t *items, uint32_t count, double sums[4])
{
    double squares = 0;
    for (uint32_t i = 0; i < count; i++) {
        const double p = exp(truth->shares[i]), difference = (double)truth->scores[i] - (double)other->scores[i];
        sums[0] += p * (truth->shares[i] - other->shares[i]);
        sums[1] += fabs(p - exp(other->shares[i])) / 2;
        squares += difference * difference / count;
    }
    size_t common = 0;
    for (size_t a = 0; a < truth->found; a++)
        for (size_t b = 0; b < other->found; b++)
            common += items[truth->best[a]] == other->best[b];
    sums[2] += truth->found ? (double)common / (double)truth->found : 1;
    sums[3] += sqrt(squares);
}

int main(int argc, char **argv)
{
    const double nu = argc > 3 ? strtod(argv[3], NULL) : 1;
    const size_t most = argc > 4 ? strtoul(argv[4], NULL, 10) : 1000;
    if (argc < 3 || argc > 5 || !(nu > 0) || most == 0) {
        fprintf(stderr, "usage: divergence TRUTH MODEL [NU [USERS]], NU above 0, USERS 1 or more\n");
        return 2;
    }
    side truth = {0}, other = {0};
    if (topn_context_create(&context) != TOPN_OK)
        return 1;
    open_side(argv[1], &truth);
    open_side(argv[2], &other);
    const uint32_t count = topn_model_items(truth.model), users = topn_model_users(truth.model);
    uint32_t *own = allocate(count, sizeof *own), *theirs = allocate(count, sizeof *theirs);
    for (uint32_t i = 0; i < count; i++) {
        own[i] = i;
        if (!topn_model_find_item(other.model, topn_model_item_id(truth.model, i), &theirs[i])) {
            fprintf(stderr, "divergence: %s has no item \"%s\"\n", argv[2], topn_model_item_id(truth.model, i));
            return 1;
        }
    }
    truth.scores = allocate(count, sizeof *truth.scores), other.scores = allocate(count, sizeof *other.scores);
    truth.shares = allocate(count, sizeof *truth.shares), other.shares = allocate(count, sizeof *other.shares);
    const size_t asked = users < most ? users : most;
    double sums[4] = {0};
    size_t answered = 0;
    for (size_t at = 0; at < asked; at++) {
        const uint32_t user = (uint32_t)((uint64_t)at * users / asked);
        uint32_t same;
        if (!topn_model_find_user(other.model, topn_model_user_id(truth.model, user), &same))
            continue;
        answer(&truth, user, own, count, nu);
        answer(&other, same, theirs, count, nu);
        add_distances(&truth, &other, theirs, count, sums);
        answered++;
    }
    if (answered == 0) {
        fprintf(stderr, "divergence: the models keep no users in common\n");
        return 1;
    }
    printf("%.6f %.6f %.6f %.6f\n", sums[0] / (double)answered, sums[1] / (double)answered, sums[2] / (double)answered,
           sums[3] / (double)answered);
    free(own);
    free(theirs);
    close_side(&truth);
    close_side(&other);
    topn_context_free(context);
    return 0;
}
