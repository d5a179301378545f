/* SPDX-License-Identifier: Apache-2.0
 *
 * "H+Vamp (Gated)" (Kim, Suh 2019): a variational autoencoder with two latent layers, gated hidden layers and a
 * VampPrior (hierarchy.h); the weight β of the divergence rises with the steps, up to --beta.
 */
#include "train/autoencoder/hierarchy.h"

static const option_row hvamp_options[] = {
    AUTOENCODER_OPTIONS("600", 200, 0.0005, 200, 0),
    OPTION_INTEGER(autoencoder_params, pseudo_inputs, "pseudo-inputs", 1000, 1, 1 << 20,
                   "K: learned inputs whose encodings are the prior of the latent values", SEARCH_LOG(50, 1000)),
    OPTION_REAL(autoencoder_params, beta, "beta", 0.2, 0, 1e6,
                "β: largest weight of the divergence of the latent values from their prior", SEARCH_LINEAR(0, 1)),
    OPTION_INTEGER(autoencoder_params, anneal_steps, "anneal-steps", 200000, 0, 1000000000000,
                   "β rises from 0 by 1/anneal-steps with each step; 0 = --beta from the start"),
    AUTOENCODER_LAST_OPTIONS(100),
};

static const network_kind hvamp_network = HIERARCHY_NETWORK;
AUTOENCODER_METHOD(hvamp, "hvamp", "variational autoencoder with two latent layers, gates and a learned mixture prior",
                   "Kim, Suh 2019", &hvamp_network)
