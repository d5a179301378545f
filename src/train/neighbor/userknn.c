/* SPDX-License-Identifier: Apache-2.0
 *
 * User-kNN (Resnick et al., CSCW 1994; Sarwar et al., EC 2000): the items of the k training users who are most like the
 * user. With w_h = n_h^−b the weight of item h, which n_h users have, and |v|² = Σ_h w_h·x_vh²,
 *
 *     score(u, i) = Σ_{v among the k most alike} sim(u, v) · x_vi · (events of v)^−a
 *     sim(u, v)   = Σ_h w_h·x_uh·x_vh / (|u|^2α · |v|^2(1−α))       cosine, at α = ½ the cosine of the two rows of X
 *                 = Σ_h w_h·x_uh·x_vh                               co-count
 *
 * As a model: a dimension for each training user v. Row h of the encoder holds w_h·x_vh / |v|^2(1−α), so φ(u) is the
 * vector of similarities; the encoder's cut keeps the k largest; row i of the item table holds x_vi·(events of v)^−a.
 * The user's own divisor is the encoder's normaliser, (Σ_h x_uh)^−α: |u|^−2α itself for b = 0 and values of 1, else a
 * factor that changes the size of a user's scores, not their order.
 *
 * A training user is his own nearest neighbour and so takes one of the k places. He votes only for what he has, which
 * recommendations leave out; ask for k + 1 to have k others.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "numeric/sparse.h"
#include "train/linear/system.h"

typedef enum similarity { COSINE, CO_COUNT } similarity;

typedef struct userknn_params {
    int64_t k;
    int similarity;
    double alpha;
    double item_weight_exponent, vote_exponent, score_exponent;
    int values; /* choice binary|weight */
    bool keep_histories;
} userknn_params;

static const option_row userknn_options[] = {
    OPTION_INTEGER(userknn_params, k, "k", 100, 1, UINT32_MAX,
                   "training users who are asked, the most alike; one of them is the user himself if he is in the data",
                   SEARCH_LOG(20, 1000)),
    OPTION_CHOICE(userknn_params, similarity, "similarity", "cosine", "cosine|co-count",
                  "how alike two users are, by the items that both have"),
    OPTION_REAL(userknn_params, alpha, "alpha", 0.5, 0, 1,
                "α of cosine: the count divided by |u|^2α · |v|^2(1-α), v the training user", SEARCH_LINEAR(0.2, 0.9)),
    OPTION_REAL(userknn_params, item_weight_exponent, "item-weight-exponent", 0, 0, 4,
                "b: an item with n events weighs n^-b in the similarity", SEARCH_LINEAR(0, 1)),
    OPTION_REAL(userknn_params, vote_exponent, "vote-exponent", 0, 0, 4,
                "a: the votes of a user with m events are multiplied by m^-a", SEARCH_LINEAR(0, 1)),
    OPTION_REAL(userknn_params, score_exponent, "score-exponent", 0, -4, 4,
                "scores are multiplied by (events of item)^-c for this c", SEARCH_LINEAR(-0.3, 0.3)),
    OPTION_CHOICE(userknn_params, values, "values", "binary", "binary|weight", "entries of X: 1, or the event weights"),
    OPTION_BOOLEAN(userknn_params, keep_histories, "keep-histories", true,
                   "store the users' histories in the model, so that users can be named by id"),
};
static const option_table userknn_option_table = OPTION_TABLE(userknn_params, userknn_options);

static training_cost userknn_cost(const topn_data *data, const void *raw)
{
    (void)raw;
    const sparse_matrix *x = &data->matrix;
    const uint64_t events = x->indptr[x->rows];
    return (training_cost){
        .bytes = 24 * events + 40 * (uint64_t)x->columns + 24 * (uint64_t)x->rows, /* two tables and the histories */
        .flops = 6 * (double)events,
        .remedy = "drop rare items with --min-item-events",
    };
}

/* n^−b of every item, 1 for one without events. */
static void weigh_items(const sparse_matrix *x, double exponent, double *weights)
{
    for (uint32_t item = 0; item < x->columns; item++)
        weights[item] = 0;
    for (uint64_t at = 0; at < x->indptr[x->rows]; at++)
        weights[x->indices[at]]++;
    for (uint32_t item = 0; item < x->columns; item++)
        weights[item] = weights[item] > 0 ? pow(weights[item], -exponent) : 1.0;
}

/* What the rows of a user are multiplied by in the encoder and in the item table. */
typedef struct user_factors {
    double similarity, vote;
} user_factors;

static void weigh_users(const sparse_matrix *x, const userknn_params *params, const double *weights, user_factors *out)
{
    for (uint32_t user = 0; user < x->rows; user++) {
        double square = 0;
        for (uint64_t at = x->indptr[user]; at < x->indptr[user + 1]; at++) {
            const double value = params->values ? (double)x->values[at] : 1.0;
            square += weights[x->indices[at]] * value * value;
        }
        const double events = (double)(x->indptr[user + 1] - x->indptr[user]);
        const bool divided = params->similarity == COSINE && square > 0;
        out[user].similarity = divided ? pow(square, params->alpha - 1) : 1.0;
        out[user].vote = events > 0 ? pow(events, -params->vote_exponent) : 1.0;
    }
}

/* Both tables hold Xᵀ; now what the head of this file says. */
static void weigh_tables(const userknn_params *params, const double *weights, const user_factors *users,
                         sparse_matrix *encoder, sparse_matrix *items)
{
    for (uint32_t item = 0; item < encoder->rows; item++) {
        for (uint64_t at = encoder->indptr[item]; at < encoder->indptr[item + 1]; at++) {
            const user_factors *user = &users[encoder->indices[at]];
            const double value = params->values ? (double)encoder->values[at] : 1.0;
            encoder->values[at] = (float)(weights[item] * value * user->similarity);
            items->values[at] = (float)(value * user->vote);
        }
    }
}

static topn_status userknn_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const userknn_params *params = raw;
    const sparse_matrix *x = &data->matrix;
    topn_status status;
    double *weights = NULL;     /* [items] */
    user_factors *users = NULL; /* [users] */
    const double start = clock_seconds();
    TRY(data_require_events(context, data, "to train on"));
    TRY(progress_report(context, "neighbors", "tables", 0, 2, NAN));
    TRY(ALLOCATE(context, x->columns, &weights));
    TRY(ALLOCATE(context, x->rows, &users));
    weigh_items(x, params->item_weight_exponent, weights);
    weigh_users(x, params, weights, users);
    TRY(sparse_transpose(context, x, &model->encoder.rows.sparse));
    model->encoder.rows.form = TABLE_SPARSE;
    TRY(progress_report(context, "neighbors", "tables", 1, 2, NAN));
    TRY(sparse_transpose(context, x, &model->table.rows.sparse));
    model->table.rows.form = TABLE_SPARSE;
    weigh_tables(params, weights, users, &model->encoder.rows.sparse, &model->table.rows.sparse);
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->values == 1;
    model->encoder.normalizer = params->similarity == COSINE ? params->alpha : 0.0;
    model->encoder.cut = (uint32_t)params->k;
    model->table.kind = ITEMS_OWN;
    TRY(linear_priors(context, data, params->score_exponent, NULL, &model->table.priors));
    TRY(linear_phase(context, &model->metadata, "neighbors", start));
    status = progress_report(context, "neighbors", "tables", 2, 2, NAN);
done:
    free(weights);
    free(users);
    return status;
}

const method method_userknn = {
    .name = "userknn",
    .summary = "the items of the training users most like the user: cosine, co-count",
    .paper = "Resnick et al. 1994; Sarwar et al. 2000",
    .options = &userknn_option_table,
    .cost = userknn_cost,
    .train = userknn_train,
};
