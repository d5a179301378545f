/* SPDX-License-Identifier: Apache-2.0
 *
 * RecVAE (Shenbin, Alekseev, Tutubalina, Malykh, Nikolenko 2020): an encoder of five connected layers with layer
 * normalisation, a decoder of one linear layer, a prior that holds the encoder near what it was (composite_prior.h), a
 * divergence that weighs γ·events of the user (§3.4), and sweeps of three passes that train the encoder and one that
 * trains the decoder on whole histories (§3.5).
 */
#include "train/autoencoder/chain.h"

static const option_row recvae_options[] = {
    AUTOENCODER_OPTIONS("600,600,600,600,600", 200, 0.0005, 500, 0),
    OPTION_REAL(autoencoder_params, beta_per_event, "beta-per-event", 0.005, 0, 1e6,
                "γ: the divergence of a user with n events weighs γ·n", SEARCH_LOG(0.001, 0.05)),
    OPTION_INTEGER(autoencoder_params, encoder_passes, "encoder-passes", 3, 1, 1000,
                   "passes of a sweep over the users that train the encoder, with dropout"),
    OPTION_INTEGER(autoencoder_params, decoder_passes, "decoder-passes", 1, 1, 1000,
                   "passes of a sweep over the users that train the decoder, without dropout"),
    OPTION_BOOLEAN(autoencoder_params, alternating, "alternating", true,
                   "encoder and decoder are trained in turn; else together, in --encoder-passes"),
    AUTOENCODER_LAST_OPTIONS(50),
};

static const network_kind recvae_network = CHAIN_NETWORK(CHAIN_COMPOSITE_PRIOR, );
AUTOENCODER_METHOD(recvae, "recvae", "variational autoencoder with a composite prior, encoder and decoder in turn",
                   "Shenbin et al. 2020", &recvae_network)
