/* SPDX-License-Identifier: Apache-2.0
 *
 * Variational autoencoder with a multinomial likelihood (Liang, Krishnan, Hoffman, Jebara 2018, §2.1, §2.2): items →
 * 600 → 200 Gaussian latent values → 600 → items, tanh. The weight β of the divergence from a standard normal prior
 * rises by 1/anneal-steps with each step, up to --beta ("partially regularised", Mult-VAE^PR). With --decoder linear
 * nothing is between the latent values and the items' rows, as in RecVAE.
 */
#include "train/autoencoder/chain.h"

static const option_row mult_vae_options[] = {
    AUTOENCODER_OPTIONS("600", 200, 0.001, 500, 0),
    OPTION_CHOICE(
        autoencoder_params, decoder, "decoder", "mirrored", "mirrored|linear",
        "behind the latent values: mirrored = the encoder's hidden layers in reverse; linear = the items' rows"),
    OPTION_REAL(autoencoder_params, beta, "beta", 0.2, 0, 1e6,
                "β: largest weight of the divergence of the latent values from their prior", SEARCH_LINEAR(0, 1)),
    OPTION_INTEGER(autoencoder_params, anneal_steps, "anneal-steps", 200000, 0, 1000000000000,
                   "β rises from 0 by 1/anneal-steps with each step; 0 = --beta from the start"),
    AUTOENCODER_LAST_OPTIONS(100),
};

static const network_kind mult_vae_network = CHAIN_NETWORK(CHAIN_NORMAL_PRIOR, );
AUTOENCODER_METHOD(mult_vae, "mult-vae", "variational autoencoder of histories, multinomial likelihood",
                   "Liang et al. 2018, §2.1, §2.2", &mult_vae_network)
