/* SPDX-License-Identifier: Apache-2.0
 *
 * Item-kNN (Sarwar et al., WWW 2001; Deshpande and Karypis, TOIS 2004): y = x·T, T_hj the similarity of item h of the
 * history to the recommended item j for the k nearest neighbours of each item, and 0 elsewhere. With c = G_hj, the
 * number of users who have both, or their weight, and g = diag(G):
 *
 *     cosine       c / (g_h^α · g_j^(1−α)), at α = ½ the cosine of the two columns of X
 *     jaccard      c / (g_h + g_j − c)
 *     co-count     c
 *     conditional  c / (g_h · g_j^α), the share of h's users who have j, less the popularity of j
 *
 * each shrunk to s·c/(c + shrinkage) and raised to a power.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "train/neighbor/neighbor_table.h"

typedef enum similarity { COSINE, JACCARD, CO_COUNT, CONDITIONAL } similarity;

typedef struct itemknn_params {
    neighbor_params list;
    int similarity;
    double alpha, shrinkage, power;
    double user_weight_exponent, score_exponent;
    int values; /* choice binary|weight */
    bool keep_histories;
} itemknn_params;

static const option_row itemknn_options[] = {
    OPTION_CHOICE(itemknn_params, similarity, "similarity", "cosine", "cosine|jaccard|co-count|conditional",
                  "how alike two items are, by the users who have both", SEARCH_CHOICES("cosine|jaccard|conditional")),
    OPTION_REAL(itemknn_params, alpha, "alpha", 0.5, 0, 2,
                "α of cosine: c / (g_h^α · g_j^(1-α)) from the history's h to j; of conditional: c / (g_h · g_j^α)",
                SEARCH_LINEAR(0.2, 0.9)),
    OPTION_REAL(itemknn_params, shrinkage, "shrinkage", 0, 0, 1e9,
                "h: a similarity that c users support becomes s·c/(c+h)", SEARCH_LOG(0.1, 1000)),
    OPTION_REAL(itemknn_params, power, "power", 1, 0.01, 100,
                "q: similarities are raised to it; above 1 the nearest neighbours count for more", SEARCH_LOG(0.5, 4)),
    NEIGHBOR_OPTIONS(itemknn_params, "recommended"),
    OPTION_REAL(itemknn_params, user_weight_exponent, "user-weight-exponent", 0, 0, 4,
                "a: a user with m events weighs m^-a in every count", SEARCH_LINEAR(0, 1)),
    OPTION_REAL(itemknn_params, score_exponent, "score-exponent", 0, -4, 4,
                "scores are multiplied by (events of item)^-c for this c", SEARCH_LINEAR(-0.3, 0.3)),
    OPTION_CHOICE(itemknn_params, values, "values", "binary", "binary|weight", "entries of X: 1, or the event weights"),
    OPTION_BOOLEAN(itemknn_params, keep_histories, "keep-histories", true,
                   "store the users' histories in the model, so that users can be named by id"),
};
static const option_table itemknn_option_table = OPTION_TABLE(itemknn_params, itemknn_options);

static topn_status itemknn_check(topn_context *context, const topn_data *data, const void *raw)
{
    (void)data;
    const itemknn_params *params = raw;
    if (params->similarity == COSINE && params->alpha > 1)
        return fail(context, TOPN_ERROR_OPTION,
                    "option --alpha of itemknn: %g is too large for cosine, which takes 0 to 1", params->alpha);
    return TOPN_OK;
}

static training_cost itemknn_cost(const topn_data *data, const void *raw)
{
    const itemknn_params *params = raw;
    return neighbor_cost(data, &params->list);
}

typedef struct item_norms {
    const itemknn_params *params;
    const double *g;     /* [items] diagonal of the Gram matrix */
    const double *left;  /* [items] divisor as an item of the history … */
    const double *right; /* … and as a recommended item; cosine and conditional */
} item_norms;

static double item_weight(const void *state, uint32_t history, uint32_t recommended, double common)
{
    const item_norms *norms = state;
    const itemknn_params *params = norms->params;
    double value = common;
    if (params->similarity == COSINE || params->similarity == CONDITIONAL)
        value /= norms->left[history] * norms->right[recommended];
    else if (params->similarity == JACCARD)
        value /= norms->g[history] + norms->g[recommended] - common;
    if (params->shrinkage > 0)
        value *= common / (common + params->shrinkage);
    return params->power == 1 ? value : pow(value, params->power);
}

static topn_status itemknn_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const itemknn_params *params = raw;
    const linear_params counts = {
        .l2 = 0, .user_weight_exponent = params->user_weight_exponent, .values = params->values};
    const uint32_t items = data->matrix.columns;
    topn_status status;
    linear_system system = {0};
    double *g = NULL, *left = NULL, *right = NULL; /* [items] each */
    const double start = clock_seconds();
    TRY(linear_system_create(context, data, &counts, ORDER_GIVEN, &system));
    TRY(ALLOCATE(context, items, &g));
    TRY(ALLOCATE(context, items, &left));
    TRY(ALLOCATE(context, items, &right));
    neighbor_diagonal(&system, g);
    const bool cosine = params->similarity == COSINE;
    for (uint32_t item = 0; item < items; item++) {
        left[item] = cosine ? pow(g[item], params->alpha) : g[item];
        right[item] = pow(g[item], cosine ? 1 - params->alpha : params->alpha);
    }
    const item_norms norms = {.params = params, .g = g, .left = left, .right = right};
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->values == 1;
    model->table.kind = ITEMS_IDENTITY;
    TRY(linear_priors(context, data, params->score_exponent, NULL, &model->table.priors));
    TRY(neighbor_table(context, &system, &params->list, item_weight, &norms, &model->encoder.rows.sparse));
    model->encoder.rows.form = TABLE_SPARSE;
    TRY(linear_phase(context, &model->metadata, "neighbors", start));
done:
    free(g);
    free(left);
    free(right);
    linear_system_clear(&system);
    return status;
}

const method method_itemknn = {
    .name = "itemknn",
    .summary = "items like those of the history, by common users: cosine, Jaccard, co-count, conditional",
    .paper = "Sarwar et al. 2001; Deshpande and Karypis 2004",
    .options = &itemknn_option_table,
    .check = itemknn_check,
    .cost = itemknn_cost,
    .train = itemknn_train,
};
