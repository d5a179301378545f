/* SPDX-License-Identifier: Apache-2.0
 *
 * What options come to, which of them contradict each other, and what a training will take.
 */
#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "train/sampled/trainer.h"

enum { MOST_PAIRS = 1 << 30 }; /* positives and negatives of a batch */

sampled_choice sampled_choose(const sampled_params *params)
{
    sampled_choice choice = {
        .model = sampled_model_at((size_t)params->model),
        .loss = sampled_loss_at((size_t)params->loss),
        .surrogate = surrogate_at((size_t)params->surrogate),
        .sampler = sampler_at((size_t)params->sampler),
        .weight = rank_weight_at((size_t)params->rank_weight),
        .optimizer = optimizer_at((size_t)params->optimizer),
        .schedule = schedule_at((size_t)params->schedule),
        .sampling = params->sampling,
    };
    if (!choice.surrogate)
        choice.surrogate = surrogate_find("logistic");
    choice.sampling.margin = params->margin * params->temperature; /* of scores as they are, before the loss's ν */
    choice.traits = sampler_traits_of(choice.sampler, &choice.sampling);
    choice.shared = choice.traits.shared_only || params->shared_negatives;
    const bool counted = choice.sampler->probability || choice.sampler->shared_probability;
    choice.corrected = params->correction == CORRECTION_AUTO ? choice.loss->corrected && counted
                                                             : params->correction == CORRECTION_LOG_Q;
    choice.exclusion = params->exclusion == EXCLUSION_NOTHING    ? EXCLUDE_NOTHING
                       : params->exclusion == EXCLUSION_POSITIVE ? EXCLUDE_POSITIVE
                       : params->exclusion == EXCLUSION_HISTORY  ? EXCLUDE_HISTORY
                       : choice.loss->excludes_history           ? EXCLUDE_HISTORY
                                                                 : EXCLUDE_POSITIVE;
    return choice;
}

static topn_status check_cosine(topn_context *context, const sampled_params *params, const sampled_choice *choice)
{
    const bool sums = strcmp(choice->model->name, "fm") == 0;
    if (params->normalize && (params->biases || sums))
        return fail(context, TOPN_ERROR_OPTION, "--cosine has no place for biases%s",
                    sums ? ", which --model fm always has: use --model two-tower for cosines of features"
                         : ": leave out --biases, or --cosine");
    return TOPN_OK;
}

static topn_status check_loss(topn_context *context, const sampled_params *params, const sampled_choice *choice)
{
    const bool pairwise = strcmp(choice->loss->name, "pairwise") == 0;
    if (!choice->loss->takes_surrogate && surrogate_at((size_t)params->surrogate))
        return fail(context, TOPN_ERROR_OPTION, "--loss %s takes no surrogate: leave out --surrogate %s",
                    choice->loss->name, choice->surrogate->name);
    if (choice->weight->needs_ranks && !pairwise)
        return fail(context, TOPN_ERROR_OPTION,
                    "--rank-weight %s weighs pairs: use --loss pairwise, or --rank-weight none", choice->weight->name);
    if (choice->weight->needs_ranks && choice->shared)
        return fail(context, TOPN_ERROR_OPTION,
                    "--rank-weight %s needs negatives of each positive's own: leave out --shared-negatives and "
                    "--sampler %s, or use --rank-weight none",
                    choice->weight->name, choice->sampler->name);
    if (params->correction == CORRECTION_LOG_Q && !choice->loss->corrected)
        return fail(context, TOPN_ERROR_OPTION, "--correction log-q is of the softmax: leave it out with --loss %s",
                    choice->loss->name);
    return TOPN_OK;
}

static topn_status check_sampler(topn_context *context, const topn_data *data, const sampled_params *params,
                                 const sampled_choice *choice)
{
    topn_status status = TOPN_OK;
    const sampler *by = choice->sampler;
    const bool warp = strcmp(by->name, "warp") == 0;
    if (warp && strcmp(choice->loss->name, "pairwise") != 0)
        return fail(context, TOPN_ERROR_OPTION,
                    "--sampler warp looks for items that a positive should be ahead of: use --loss pairwise, or "
                    "another --sampler");
    if (by->check)
        TRY(by->check(context, &choice->sampling, data->matrix.columns));
    if (params->shared_negatives && !choice->traits.shareable && !choice->traits.shared_only)
        return fail(context, TOPN_ERROR_OPTION,
                    "--sampler %s draws for each context anew: leave out --shared-negatives, or use a sampler such as "
                    "uniform or popularity",
                    by->name);
    if (params->correction == CORRECTION_LOG_Q && !by->probability && !by->shared_probability)
        return fail(context, TOPN_ERROR_OPTION,
                    "--correction log-q needs the probabilities of draws, which --sampler %s does not know: use "
                    "--correction none",
                    by->name);
    if (!choice->shared && (double)params->batch * (1 + (double)params->negatives) > MOST_PAIRS)
        return fail(context, TOPN_ERROR_OPTION,
                    "--batch %lld with --negatives %lld makes more than %d pairs: use a smaller --batch, or "
                    "--shared-negatives",
                    (long long)params->batch, (long long)params->negatives, (int)MOST_PAIRS);
done:
    return status;
}

topn_status sampled_check(topn_context *context, const topn_data *data, const void *raw)
{
    topn_status status;
    const sampled_params *params = raw;
    const sampled_choice choice = sampled_choose(params);
    TRY(check_cosine(context, params, &choice));
    TRY(check_loss(context, params, &choice));
    TRY(check_sampler(context, data, params, &choice));
    if (choice.model->check)
        TRY(choice.model->check(context, data, params));
done:
    return status;
}

training_cost sampled_cost(const topn_data *data, const void *raw)
{
    const sampled_params *params = raw;
    const sampled_choice choice = sampled_choose(params);
    const uint64_t items = data->matrix.columns, events = topn_data_events(data),
                   stride = (uint64_t)params->factors + 1,
                   batch = (uint64_t)params->batch < events ? (uint64_t)params->batch : events,
                   shared = choice.sampler->every_item    ? items
                            : choice.sampler->shared_only ? batch
                                                          : (uint64_t)params->negatives;
    const training_cost model = choice.model->cost(data, params);
    const uint64_t state = model.state_bytes * (1 + (uint64_t)choice.optimizer->arrays),
                   threads = (uint64_t)threads_available();
    sampled_form form = {0};
    choice.model->form(data, params, &form);
    const uint64_t team = step_team_bytes(&form, batch, shared, choice.shared, params->hogwild ? 1 : threads);
    const double pairs = (double)events * (1 + (double)shared) * (double)stride;
    return (training_cost){
        .bytes = model.bytes + (state - model.state_bytes) + (params->hogwild ? threads : 1) * team +
                 4 * items * stride + tower_form_embed_bytes(&form.items, threads) +
                 model_base_bytes(data, params->keep_histories) +
                 (choice.sampler->bytes ? choice.sampler->bytes(&choice.sampling, data, (size_t)params->factors) : 0),
        .state_bytes = state,
        .flops = (double)params->iteration.sweeps * (6 * pairs + model.flops),
        .remedy = choice.shared && choice.sampler->every_item ? "use fewer --factors, or a sampler that draws"
                                                              : "use fewer --factors or a smaller --batch",
    };
}
