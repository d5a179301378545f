/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers of a training and those of a model: copies, of the first columns where the model has fewer (means without
 * variances), and the way back.
 */
#ifndef TOPN_TRAIN_AUTOENCODER_STACK_MODEL_H
#define TOPN_TRAIN_AUTOENCODER_STACK_MODEL_H

#include "train/network/layers.h"

/* Appends a copy of a layer with its first `columns` columns of weights. */
topn_status stack_export_layer(topn_context *context, const network_layers *from, size_t layer, size_t columns,
                               network_layers *out);
/* Whether layer `at` of a model's, all its columns, has the shape of the first columns of a layer of the stack. */
bool stack_layer_fits(const network_layers *to, size_t layer, size_t columns, const network_layers *from, size_t at);
void stack_take_layer(const network_layers *to, size_t layer, const network_layers *from, size_t at);
/* ‖W‖² of all layers. */
double stack_squares(const network_layers *layers);

#endif
