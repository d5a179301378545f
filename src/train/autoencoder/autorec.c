/* SPDX-License-Identifier: Apache-2.0
 *
 * Item-based AutoRec (Sedhain, Menon, Sanner, Xie 2015): an autoencoder of items, which are described by their users.
 * What it becomes as a model stands in by_item.h. Ratings are taken as events, and what was not rated is 0 in the loss,
 * not left out of it: of ones alone there would be nothing to learn.
 */
#include "train/autoencoder/chain.h"

static const option_row autorec_options[] = {
    OPTION_INTEGER(autoencoder_params, latent, "latent", 200, 1, 32768, "values that an item is encoded in",
                   SEARCH_LOG(32, 512)),
    OPTION_REAL(autoencoder_params, dropout, "dropout", 0, 0, 0.99,
                "share of an item's events that a step of training leaves out", SEARCH_LINEAR(0, 0.8)),
    OPTION_REAL(autoencoder_params, learning_rate, "learning-rate", 0.001, 1e-12, 1e3,
                "η of Adam: length of a step, in each parameter", SEARCH_LOG(1e-4, 1e-2)),
    OPTION_REAL(autoencoder_params, l2, "l2", 0.001, 0, 1e6, "λ: λ/2·‖weights‖² is added to the mean loss of an item",
                SEARCH_LOG(1e-6, 0.1)),
    OPTION_INTEGER(autoencoder_params, batch, "batch", 256, 1, 1 << 20, "items of a step"),
    OPTION_BOOLEAN(autoencoder_params, keep_users, "keep-users", true,
                   "store the users' rows V in the model: needed for new items and for --start-from"),
    AUTOENCODER_LAST_OPTIONS(100),
};

static const network_kind autorec_network = CHAIN_NETWORK(CHAIN_BY_ITEM, .by_item = chain_biases);
AUTOENCODER_METHOD(autorec, "autorec", "autoencoder of items by their users; users by least squares on its items",
                   "Sedhain et al. 2015", &autorec_network)
