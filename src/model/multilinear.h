/* SPDX-License-Identifier: Apache-2.0
 *
 * Embeddings that are linear in each block of their parameters (P2 §5.1.2): one side of a model, contexts or items.
 *
 * An entity e (a context, or an item) is described in each field f by rows of the field's table with coefficients x
 * (the row of its id; its features): u_f(e) = Σ_k x_ek·θ_fk. Fields are composed to φ(e), d factors and, with biases,
 * two more columns, one for the own bias and a constant 1 that meets the other side's:
 *
 *   PRODUCT  φ = Π_f u_f, entry by entry: matrix factorisation (one field), PARAFAC
 *
 *   SUM      φ = Σ_f u_f: factorisation machine, which always has biases
 *            own bias Σ_f Σ_k x·w_fk + Σ_{pairs of rows} x·x'⟨θ, θ'⟩, w the last entry of a row
 *
 *   TUCKER   φ_r = ⟨B_r, u_1 ⊗ u_2 ⊗ …⟩, B the core
 *
 * own bias of PRODUCT and TUCKER: Σ_f Σ_k x·(last entry of θ_fk). A table has width_f = factors_f + (biases ? 1 : 0)
 * columns. A block of parameters is one row of a table, or one row of the core; φ is linear in it, with the Jacobian
 * J = ∂φ/∂θ [D × width].
 */
#ifndef TOPN_MODEL_MULTILINEAR_H
#define TOPN_MODEL_MULTILINEAR_H

#include <stdbool.h>

#include "numeric/matrix.h"

typedef enum composition { COMPOSE_PRODUCT, COMPOSE_SUM, COMPOSE_TUCKER } composition;

typedef struct side_field {
    sparse_matrix rows; /* entities × table rows, x; indptr NULL: entity e is row e alone, x = 1; values NULL: x = 1 */
    dense_matrix table; /* [table rows × width] */
} side_field;

typedef struct multilinear_side {
    composition kind;
    uint32_t entities;
    size_t factors;     /* d */
    size_t dimensions;  /* D = d, or d + 2 with biases; the same on both sides */
    bool biases;        /* columns d and d + 1 of φ */
    bool is_item;       /* own bias: column d of a context, d + 1 of an item; the other one is the constant 1 */
    side_field *fields; /* [field_count] */
    size_t field_count;
    dense_matrix core; /* TUCKER: [d × Π factors of the fields], the last field's index runs fastest; else empty */
} multilinear_side;

/* Floats of scratch that the functions below need; a scratch belongs to one thread. */
size_t side_scratch(const multilinear_side *side);
/* phi [D]. O(Σ_f rows of e in f · width), TUCKER O(d·Π factors). */
void side_embed(const multilinear_side *side, uint32_t entity, float *scratch, float *phi);

/* Where J of a block is taken: table row `row` of field `field` (field == field_count: row `row` of the core), at an
 * entity that has it with coefficient x (1 for the core). */
typedef struct side_block {
    size_t field;
    uint32_t row;
} side_block;
/* Columns of the block: its table's width, or Π factors. */
size_t side_block_width(const multilinear_side *side, size_t field);
float *side_block_values(multilinear_side *side, side_block block);
/* Whether J is the identity for all blocks of the field and entities, so that pull copies columns: PRODUCT, one field
 * of one row an entity with x = 1, no biases. */
bool side_is_plain(const multilinear_side *side);
/* Prepares pulls at this entity and block: scratch then holds what J is made of. The block's own values are read by
 * SUM. */
void side_jacobian(const multilinear_side *side, uint32_t entity, side_block block, float x, float *scratch);
/* out[r] = (Jᵀ·m_r)[begin … end) for r < count; m [count × D], out [count × (end − begin)]. After side_jacobian. */
void side_pull(const multilinear_side *side, side_block block, const float *scratch, const float *m, size_t count,
               size_t begin, size_t end, float *out);

#endif
