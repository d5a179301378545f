/* SPDX-License-Identifier: Apache-2.0
 *
 * Samplers of negatives, q(j | c, i) (P2 §4): one row of samplers.def each.
 *
 * A sampler that depends on the model draws by a snapshot taken at `refresh`, or, where it says `live`, by the current
 * parameters; either way its probabilities are those it drew by. Random numbers come from a draw_source of the example,
 * so that draws depend on seed, sweep and the example's place alone.
 *
 * Which items are refused (`exclusion`): nothing; the positive itself; or all of I_c (P2 eq. 15: q = 0 there). A
 * refused draw is drawn again, so q is renormalised over the others. Where everything is refused, nothing is found.
 */
#ifndef TOPN_TRAIN_SAMPLED_SAMPLER_H
#define TOPN_TRAIN_SAMPLED_SAMPLER_H

#include "base/context.h"
#include "base/option_table.h"
#include "base/random.h"
#include "train/sampled/positives.h"

typedef enum exclusion { EXCLUDE_NOTHING, EXCLUDE_POSITIVE, EXCLUDE_HISTORY } exclusion;

/* Random words of one example: stream RANDOM_NEGATIVES, blocks from (sweep·count + place)·2²⁰ on. */
typedef struct draw_source {
    uint64_t seed, block;
    uint32_t words[4];
    unsigned left;
} draw_source;
draw_source draw_source_of(uint64_t seed, uint64_t example);
uint32_t draw_word(draw_source *source);
uint32_t draw_below(draw_source *source, uint32_t bound); /* bound ≥ 1; bias below 2⁻³² · bound */
double draw_uniform(draw_source *source);                 /* [0, 1), 53 bits; takes two words */

/* What a sampler sees of the model and the data; constant while it draws. A row of item_rows is ψ_j [dimensions] and,
 * where item_stride is larger, β_j; φ of a request has a 1 in that place, so that a product over item_stride floats is
 * the score ⟨φ_c, ψ_j⟩ + β_j. β_c, which is the same for all items of a context, is left out. */
typedef struct sampling_view {
    const positive_list *positives;
    const float *item_rows; /* live where items are rows of a table, else as of the last refresh */
    size_t dimensions, item_stride;
    uint32_t items;
    bool uncounted; /* nobody takes log_counts: samplers that pay for them leave them 0 */
} sampling_view;

/* Options of all samplers, part of sampled_params. */
typedef struct sampler_params {
    double popularity_exponent; /* β */
    double rank_scale;          /* γ of adaptive, as a share of |I| */
    int64_t candidates;         /* M of two-pass; 0 = |I| */
    char *candidates_from;      /* sampler that two-pass draws its M from */
    bool shared_candidates;     /* examples drawn together have the same M candidates */
    char *mixture;              /* "uniform:0.5,popularity:0.5" */
    double margin;              /* of warp */
    int64_t most_rounds;        /* of warp; 0 = |I| − 1 */
    int64_t kernel_features;    /* D of fourier */
    double kernel_scale;        /* quadratic: α of α⟨φ, ψ⟩² + 1; fourier: ν of exp(ν⟨φ, ψ⟩) */
    int64_t leaf;               /* items of a leaf of the trees; 0 = dimensions */
} sampler_params;

/* One example that asks for negatives. */
typedef struct draw_request {
    uint32_t context, item;
    uint64_t pair;    /* entry of `pairs` that they are; UINT64_MAX: none */
    const float *phi; /* [item_stride] φ_c, and 1 for β_j */
    double score;     /* ŷ(c, i) without β_c by view->item_rows; samplers with needs_scores only */
    uint32_t count;   /* m */
} draw_request;

/* What it gets; the arrays belong to the caller. */
typedef struct draw_result {
    uint32_t *items;    /* [m] */
    double *log_counts; /* [m] ln(m·q(j | c, i)): expected times that j is drawn; 0 where the sampler does not know */
    uint32_t found;     /* ≤ m; warp may find none, two-pass fewer */
    uint32_t rounds;    /* draws made, refused ones included */
    uint32_t rejected;  /* draws refused for exclusion, or (warp) because they do not violate the margin */
    uint32_t violator_rounds; /* warp: draws of the last violator's search, for warp_rank; else 0 */
} draw_result;

enum { DRAWN_TOGETHER = 64 };

typedef struct sampler_state sampler_state; /* each sampler's own */

typedef struct sampler_traits {
    bool needs_model, needs_scores, live, shared_only, shareable;
} sampler_traits;

typedef struct sampler {
    const char *name, *summary, *paper;
    bool needs_model;  /* looks at phi and item rows */
    bool needs_scores; /* takes draw_request.score */
    bool live;         /* no snapshot: refresh is about nothing that the model changes */
    bool shared_only;  /* the batch's negatives are the same for all its examples: in-batch, all */
    bool every_item;   /* shared_only: a batch shares the whole catalogue: all */
    bool shareable;    /* does not look at the example, so that a batch can share draws: uniform, popularity, … */
    topn_status (*check)(topn_context *, const sampler_params *, uint32_t items); /* NULL: nothing to check */
    topn_status (*create)(topn_context *, const sampler_params *, exclusion, const sampling_view *,
                          sampler_state **out);
    void (*free)(sampler_state *);
    uint64_t (*bytes)(const sampler_params *, const topn_data *, size_t dimensions); /* NULL: nothing to speak of */
    /* Takes the model as it is in the view; before the first draw and then every --refresh positives. NULL: nothing. */
    topn_status (*refresh)(topn_context *, sampler_state *, const sampling_view *);
    /* Positives between two refreshes where --refresh is not said; NULL: those of a sweep. */
    uint64_t (*refresh_after)(const sampler_params *, uint32_t items);
    /* Draws for one example; called by many threads at a time, each with a scratch of its own. */
    void (*draw)(const sampler_state *, const sampling_view *, const draw_request *, draw_source *, void *scratch,
                 draw_result *);
    size_t (*scratch_bytes)(const sampler_state *, uint32_t count); /* NULL: none */
    /* The same for at most DRAWN_TOGETHER examples of equal `count`, from one source; scratch as for draw. NULL: there
     * is nothing to win by it. */
    void (*draw_together)(const sampler_state *, const sampling_view *, const draw_request *requests,
                          uint32_t request_count, draw_source *, void *scratch, draw_result *results);
    /* Draws that a batch shares: `count` items (in-batch: those of `batch`; all: every item, count ≥ |I|) with ln of
     * how often each is expected among them; exclusion is then the loss's business (scores −∞). NULL: neither shareable
     * nor shared_only. *found ≤ count. */
    void (*draw_shared)(const sampler_state *, const sampling_view *, const positive *batch, uint32_t batch_count,
                        draw_source *, uint32_t count, uint32_t *items, double *log_counts, uint32_t *found);
    /* q(j | c, i) of the next single draw, exclusion included; for tests and mixtures. NULL: not known. */
    double (*probability)(const sampler_state *, const sampling_view *, const draw_request *, uint32_t j);
    /* q(j) of a draw that a batch shares. NULL: not known. */
    double (*shared_probability)(const sampler_state *, const sampling_view *, uint32_t j);
    /* Whether there is nothing to draw for an example. NULL: when everything is refused. */
    bool (*is_empty)(const sampler_state *, const sampling_view *, const draw_request *);
    /* The flags above as the options narrow them: of a mixture, by its parts. NULL: they are as the row says. */
    void (*narrow)(const sampler_params *, sampler_traits *);
} sampler;

const sampler *sampler_at(size_t index);
const sampler *sampler_find(const char *name);
/* A row's flags with these options, which have been checked. */
sampler_traits sampler_traits_of(const sampler *row, const sampler_params *params);
/* OPTION, with what would be right, when an option names no sampler: "--mixture uniform:1,popularty:1". */
topn_status sampler_require(topn_context *context, const char *option, const char *value, const char *name,
                            const sampler **out);
/* Whether the exclusion refuses j for this example; HISTORY refuses the positive, too, where I_c does not hold it (an
 * example that is a dislike). O(log |I_c|); for many j of one example see exclusion.h. */
bool is_excluded(exclusion, const positive_list *, uint32_t context, uint32_t item, uint32_t j);

#endif
