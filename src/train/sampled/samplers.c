/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/sampler.h"

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
