/* SPDX-License-Identifier: Apache-2.0
 *
 * The score of one item: the same bits as topn_score's, whichever way the item was found.
 */
#ifndef TOPN_RETRIEVE_ITEM_SCORE_H
#define TOPN_RETRIEVE_ITEM_SCORE_H

#include "model/model.h"

/* ⟨left, right⟩ over `count` entries. */
float dense_product(const float *left, const float *right, size_t count);
/* The same of φ and every row, [rows]. */
void dense_products(const dense_matrix *rows, const float *phi, float *products);
/* ⟨φ, row i⟩ of a sparse table, over ascending dimensions. */
float sparse_product(const sparse_matrix *rows, const float *phi, uint32_t item);
/* ⟨φ, ψ_i⟩·π_i + b_i; rows: model_item_rows, phi dense. */
float item_score(const topn_model *model, const embedding_table *rows, const float *phi, uint32_t item);

#endif
