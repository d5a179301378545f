/* SPDX-License-Identifier: Apache-2.0
 *
 * One side of a model that is trained by sampling: from an entity (a context or an item) to its embedding, and back
 * from the embedding's gradient to that of the parameters.
 *
 *   x_e = Σ_fields Σ_k x_ek θ_fk  +  Σ_bags n_e^−exponent (Σ_{h ∈ history of e, h ≠ own} v_h θ_h)
 *   n_e: items of the history less own; 0 of them: the bag is 0. v_h = 1, or scale (w_h − offset) where the bag says
 *        `weighted`
 *   φ_e = network(x_e), then φ/‖φ‖ where `normalize`
 *
 * A table's row has `factors` columns and, with biases, one more, whose sum is the entity's own bias β_e; it goes by
 * the network. With `pairs` (factorisation machine) Σ_{k<k'} x_k x_k' ⟨θ_k, θ_k'⟩ over the entity's field rows is added
 * to it.
 *
 *   score(c, i) = ⟨φ_c, ψ_i⟩ + β_c + β_i
 *
 * Outputs lie in rows of `stride` floats: φ [dimensions], then, with biases, β.
 */
#ifndef TOPN_TRAIN_SAMPLED_TOWER_H
#define TOPN_TRAIN_SAMPLED_TOWER_H

#include "base/context.h"
#include "numeric/matrix.h"
#include "train/network/layers.h"
#include "train/sampled/row_gradients.h"

enum { MOST_TOWER_FIELDS = 36, MOST_TOWER_BAGS = 2 };

typedef struct tower_field {
    const sparse_matrix *rows; /* entities × table rows; NULL: entity e is row e with x = 1; values NULL: x = 1 */
    size_t table;              /* in tower.tables */
} tower_field;

/* A history of items, summed. */
typedef struct tower_bag {
    const sparse_matrix *history; /* entities × items, ascending; values NULL: all w = 1 */
    size_t table;
    double exponent;
    double offset, scale; /* where weighted */
    bool weighted;
    bool exclude_own; /* the example's own item is no part of its history (FISM) */
} tower_bag;

typedef struct tower {
    uint32_t entities;
    size_t factors, dimensions, stride;
    bool biases, normalize;
    bool pairs; /* without bags */
    tower_field fields[MOST_TOWER_FIELDS];
    size_t field_count;
    tower_bag bags[MOST_TOWER_BAGS];
    size_t bag_count;
    layer_stack *network; /* NULL: φ = x */
    size_t network_table; /* its parameters as a table of one row, so that they are stepped and kept as all others */
    /* All parameter tables of the model; sides may share one (average of item embeddings). */
    parameter_table *tables;
    size_t table_count;
} tower;

/* Whether φ_e, β_e are row e of one table as it stands, so that samplers and scores can use the table itself. */
bool tower_is_plain(const tower *side);

/* Memory of one team of threads for batches of at most `capacity` entities. */
typedef struct tower_batch tower_batch;
topn_status tower_batch_create(topn_context *context, const tower *side, uint32_t capacity, tower_batch **out);
void tower_batch_free(tower_batch *batch);

/* out[n] [count × stride] of entities[n]; own[n] (NULL = none) is the item left out of histories. Entities may repeat;
 * equal ones next to each other share the sum over their history. What backward needs is kept in the batch.
 * training: dropout applies, drawn by (seed, number of the example: first_example + n). */
topn_status tower_forward(topn_context *context, const tower *side, tower_batch *batch, uint32_t count,
                          const uint32_t *entities, const uint32_t *own, bool training, uint64_t first_example,
                          int threads, float *out);
/* After the forward of the same batch: notes what each table's rows get from d_out [count × stride], to gradients
 * [table_count]; of a network, its own table. d_out must live until the notes are applied. */
topn_status tower_backward(topn_context *context, const tower *side, tower_batch *batch, const float *d_out,
                           int threads, row_gradients *const *gradients);
enum { EMBEDDED_AT_ONCE = 4096 };
/* All entities' rows [entities × stride], histories whole, by batches of so many. For export and for samplers'
 * snapshots; O(entities). */
topn_status tower_embed_all(topn_context *context, const tower *side, float *out);

#endif
