/* SPDX-License-Identifier: Apache-2.0 */
#include "study/search.h"

static void propose(const space *over, const past_trial *past, size_t count, draw_key key, proposal *out)
{
    (void)past;
    (void)count;
    out->fidelity = 1;
    for (size_t d = 0; d < over->count; d++)
        out->point[d] = draw_uniform(&key);
}

const search search_random = {
    .name = "random",
    .summary = "points drawn evenly from the space",
    .source = "Bergstra, Bengio, JMLR 2012",
    .propose = propose,
};
