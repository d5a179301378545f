/* SPDX-License-Identifier: Apache-2.0
 *
 * Tucker decomposition (Tucker 1966) by alternating least squares over all pairs (P2 §5.1.2):
 *
 *     ŷ = Σ_r ψ_r Σ_{a,b,…} B[r, a, b, …] · u_a · t_b · …,
 *
 * the core B weighs each combination of a factor of the item, of the user and of each column of the context. A row of
 * the core is a block, so B has as many blocks as an item has factors. Without columns it is matrix factorisation.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "train/alternating/sides.h"
#include "train/alternating/sweeps.h"

enum { MOST_FIELD_FACTORS = 65536 };

typedef struct tucker_params {
    alternating_params alternating;
    iteration_params iteration;
    int64_t user_factors;
    char *field_factors;
    double core_l2;
} tucker_params;

static const option_row tucker_options[] = {
    ALTERNATING_OPTIONS_WITH(tucker_params, 128, ALTERNATING_PRODUCT_L2(tucker_params)),
    OPTION_INTEGER(tucker_params, user_factors, "user-factors", 0, 0, 65536, "factors of a user; 0 = --factors"),
    OPTION_TEXT(tucker_params, field_factors, "field-factors", "2",
                "factors of each column of the context: one number, or one for each, as in 4,2,2"),
    OPTION_REAL_AUTO(tucker_params, core_l2, "core-l2", "auto", 0, 1e12,
                     "ridge of the core, in place of --l2; auto = the same"),
    ITERATION_OPTIONS(tucker_params, 16),
};
static const option_table tucker_option_table = OPTION_TABLE(tucker_params, tucker_options);

/* factors [1 + columns of the context], or TOPN_ERROR_OPTION. context may be NULL. */
static topn_status read_factors(topn_context *context, const topn_data *data, const tucker_params *params,
                                size_t factors[1 + MOST_FIELDS])
{
    const size_t fields = data->contexts.field_count;
    const char *text = params->field_factors ? params->field_factors : "";
    size_t count = 0;
    factors[0] = (size_t)(params->user_factors ? params->user_factors : params->alternating.factors);
    while (isdigit((unsigned char)*text) && count < MOST_FIELDS) {
        char *end;
        const unsigned long number = strtoul(text, &end, 10);
        if (number < 1 || number > MOST_FIELD_FACTORS)
            break;
        factors[1 + count++] = number;
        if (*end == '\0')
            text = end;
        else if (*end == ',')
            text = end + 1;
        else
            break;
    }
    if (count == 0 || *text != '\0' || text[-1] == ',' || (count > 1 && count != fields))
        return fail(context, TOPN_ERROR_OPTION,
                    "tucker: --field-factors is \"%s\"; it must be a number from 1 to %d, or one for each of the %zu "
                    "columns of the context, separated by commas",
                    params->field_factors ? params->field_factors : "", MOST_FIELD_FACTORS, fields);
    for (size_t field = count; field < fields; field++)
        factors[1 + field] = factors[count];
    return TOPN_OK;
}

/* Without columns the core would only turn the users' factors. */
static alternating_model shape_of(const topn_data *data, const tucker_params *params, const size_t *factors)
{
    return (alternating_model){.kind = data->contexts.field_count > 0 ? COMPOSE_TUCKER : COMPOSE_PRODUCT,
                               .contexts = true,
                               .field_factors = factors,
                               .core_l2 = params->core_l2};
}

static topn_status tucker_check(topn_context *context, const topn_data *data, const void *raw)
{
    topn_status status;
    const tucker_params *params = raw;
    size_t factors[1 + MOST_FIELDS];
    TRY(alternating_check(context, "tucker", &params->alternating));
    TRY(read_factors(context, data, params, factors));
done:
    return status;
}

static training_cost tucker_cost(const topn_data *data, const void *raw)
{
    const tucker_params *params = raw;
    size_t factors[1 + MOST_FIELDS];
    if (read_factors(NULL, data, params, factors) != TOPN_OK)
        return (training_cost){.remedy = NULL};
    const alternating_model shape = shape_of(data, params, factors);
    training_cost cost = alternating_cost(data, &params->alternating, &params->iteration, &shape);
    if (shape.kind == COMPOSE_TUCKER)
        cost.remedy = "use a smaller --field-factors or --factors";
    return cost;
}

static topn_status tucker_train(topn_context *context, const topn_data *data, const void *raw, const training_run *run,
                                topn_model *model)
{
    topn_status status;
    const tucker_params *params = raw;
    size_t factors[1 + MOST_FIELDS];
    TRY(read_factors(context, data, params, factors));
    const alternating_model shape = shape_of(data, params, factors);
    alternating_params resolved = params->alternating;
    resolved.l2 = alternating_product_l2(data, resolved.l2);
    TRY(alternating_train(context, data, &resolved, &params->iteration, &shape, run, model));
done:
    return status;
}

const method method_tucker = {
    .name = "tucker",
    .summary = "factors of user, context columns and item, combined by a core, over all pairs",
    .paper = "Rendle 2021, §5.1.2; Tucker 1966",
    .options = &tucker_option_table,
    .check = tucker_check,
    .cost = tucker_cost,
    .train_iterated = tucker_train,
};
