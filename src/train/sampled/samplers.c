/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/sampler.h"

#include "base/option_table.h"
#include "base/registry.h"

/* Blocks of four words that an example has to itself: more than |I| draws with all their refusals take. */
enum { BLOCKS_LOG2 = 20 };

draw_source draw_source_of(uint64_t seed, uint64_t example)
{
    return (draw_source){.seed = seed, .block = example << BLOCKS_LOG2};
}

uint32_t draw_word(draw_source *source)
{
    if (source->left == 0) {
        random_block(source->seed, RANDOM_NEGATIVES, source->block++, source->words);
        source->left = 4;
    }
    return source->words[4 - source->left--];
}

uint32_t draw_below(draw_source *source, uint32_t bound)
{
    return (uint32_t)((uint64_t)draw_word(source) * bound >> 32);
}

double draw_uniform(draw_source *source)
{
    const uint64_t low = draw_word(source), high = draw_word(source);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

#define SAMPLER(identifier, name) extern const sampler sampler_##identifier;
#include "train/sampled/samplers.def"
#undef SAMPLER

static const sampler *const samplers[] = {
#define SAMPLER(identifier, name) &sampler_##identifier,
#include "train/sampled/samplers.def"
#undef SAMPLER
};

REGISTRY_ACCESS(sampler, sampler, samplers)

sampler_traits sampler_traits_of(const sampler *row, const sampler_params *params)
{
    sampler_traits traits = {.needs_model = row->needs_model,
                             .needs_scores = row->needs_scores,
                             .live = row->live,
                             .shared_only = row->shared_only,
                             .shareable = row->shareable};
    if (row->narrow != NULL)
        row->narrow(params, &traits);
    return traits;
}

static const char *sampler_name(size_t index, const void *unused)
{
    (void)unused;
    return sampler_at(index) != NULL ? sampler_at(index)->name : NULL;
}

topn_status sampler_require(topn_context *context, const char *option, const char *value, const char *name,
                            const sampler **out)
{
    *out = sampler_find(name);
    if (*out != NULL)
        return TOPN_OK;
    const char *near = nearest_name(name, sampler_name, NULL);
    return fail(context, TOPN_ERROR_OPTION, "%s \"%s\": there is no sampler \"%s\"%s%s%s", option, value, name,
                near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}
