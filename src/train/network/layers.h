/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers of neural networks with hand-written gradients, in single precision on sgemm. Rows are examples.
 */
#ifndef TOPN_TRAIN_NETWORK_LAYERS_H
#define TOPN_TRAIN_NETWORK_LAYERS_H

typedef struct layer_stack layer_stack;
typedef struct layer_gradients layer_gradients;

#endif
