/* SPDX-License-Identifier: Apache-2.0
 *
 * RP3β (Paudel, Christoffel, Newell, Bernstein, TiiS 2017): a random walk of three steps, user → item → user → item,
 * each transition probability raised to α, the result divided by the popularity of the last item to the power β. With
 * s_u and s_i the sums of row u and column i of X:
 *
 *     score(u, j) = Σ_h x_uh / s_u^α · T_hj,   T_hj = Σ_v (x_vh / s_h)^α · (x_vj / s_v)^α / n_j^β,
 *
 * n_j the number of users of item j. The first step is the encoder's, whose normaliser is α; where events have weights
 * (--values weight) it takes x_uh as it is, not to the power α as the paper would, which for a user is another
 * weighting of his own history. T_hh, the way back, is left out.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "train/neighbor/neighbor_table.h"

typedef struct rp3beta_params {
    neighbor_params list;
    double alpha, beta;
    int values; /* choice binary|weight */
    bool keep_histories;
} rp3beta_params;

static const option_row rp3beta_options[] = {
    OPTION_REAL(rp3beta_params, alpha, "alpha", 0.6, 0, 4, "α: exponent of the transition probabilities",
                SEARCH_LINEAR(0.3, 1.6)),
    OPTION_REAL(rp3beta_params, beta, "beta", 0.4, -4, 4,
                "β: the walk's result is divided by (events of item)^β; 0 gives P3α", SEARCH_LINEAR(0, 1)),
    NEIGHBOR_OPTIONS(rp3beta_params, "history"),
    OPTION_CHOICE(rp3beta_params, values, "values", "binary", "binary|weight", "entries of X: 1, or the event weights"),
    OPTION_BOOLEAN(rp3beta_params, keep_histories, "keep-histories", true,
                   "store the users' histories in the model, so that users can be named by id"),
};
static const option_table rp3beta_option_table = OPTION_TABLE(rp3beta_params, rp3beta_options);

static training_cost rp3beta_cost(const topn_data *data, const void *raw)
{
    const rp3beta_params *params = raw;
    return neighbor_cost(data, &params->list);
}

/* value^−exponent, and 1 for an item or user without events. */
static double inverse_power(double value, double exponent)
{
    return value > 0 ? pow(value, -exponent) : 1.0;
}

/* Divisors of the walk's steps: [users] to the system's weights, [items] to `leave` (from h) and `arrive` (at j);
 * values of X to the power α. */
static void set_steps(linear_system *system, const rp3beta_params *params, double *leave, double *arrive)
{
    sparse_matrix *x = &system->x, *xt = &system->xt;
    for (uint32_t user = 0; user < x->rows; user++) {
        double sum = 0;
        for (uint64_t at = x->indptr[user]; at < x->indptr[user + 1]; at++)
            sum += (double)x->values[at];
        system->user_weights[user] = inverse_power(sum, params->alpha);
    }
    for (uint32_t item = 0; item < xt->rows; item++) {
        double sum = 0;
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++)
            sum += (double)xt->values[at];
        leave[item] = inverse_power(sum, params->alpha);
        arrive[item] = inverse_power((double)(xt->indptr[item + 1] - xt->indptr[item]), params->beta);
    }
    for (uint64_t at = 0; at < x->indptr[x->rows] && params->values; at++) {
        x->values[at] = powf(x->values[at], (float)params->alpha);
        xt->values[at] = powf(xt->values[at], (float)params->alpha);
    }
}

typedef struct walk_steps {
    const double *leave, *arrive;
} walk_steps;

static double walk_weight(const void *state, uint32_t history, uint32_t recommended, double common)
{
    const walk_steps *steps = state;
    return common * steps->leave[history] * steps->arrive[recommended];
}

static topn_status rp3beta_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const rp3beta_params *params = raw;
    const linear_params counts = {.values = params->values};
    topn_status status;
    linear_system system = {0};
    double *leave = NULL, *arrive = NULL; /* [items] each */
    const double start = clock_seconds();
    TRY(linear_system_create(context, data, &counts, ORDER_GIVEN, &system));
    TRY(ALLOCATE(context, data->matrix.columns, &leave));
    TRY(ALLOCATE(context, data->matrix.columns, &arrive));
    set_steps(&system, params, leave, arrive);
    const walk_steps steps = {.leave = leave, .arrive = arrive};
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->values == 1;
    model->encoder.normalizer = params->alpha;
    model->table.kind = ITEMS_IDENTITY;
    TRY(neighbor_table(context, &system, &params->list, walk_weight, &steps, &model->encoder.rows.sparse));
    model->encoder.rows.form = TABLE_SPARSE;
    TRY(linear_phase(context, &model->metadata, "neighbors", start));
done:
    free(leave);
    free(arrive);
    linear_system_clear(&system);
    return status;
}

const method method_rp3beta = {
    .name = "rp3beta",
    .summary = "three-step random walks user → item → user → item, less the popularity of the last item",
    .paper = "Paudel, Christoffel, Newell and Bernstein 2017",
    .options = &rp3beta_option_table,
    .cost = rp3beta_cost,
    .train = rp3beta_train,
};
