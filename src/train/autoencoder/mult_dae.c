/* SPDX-License-Identifier: Apache-2.0
 *
 * Denoising autoencoder with a multinomial likelihood (Liang, Krishnan, Hoffman, Jebara 2018, §2.3): items → 200 →
 * items, tanh; what is encoded is a history of which events were left out, what is decoded the whole history.
 */
#include "train/autoencoder/chain.h"

static const option_row mult_dae_options[] = {
    AUTOENCODER_OPTIONS("", 200, 0.001, 500, 4e-5),
    AUTOENCODER_LAST_OPTIONS(100),
};

static const network_kind mult_dae_network = CHAIN_NETWORK(CHAIN_PLAIN, );
AUTOENCODER_METHOD(mult_dae, "mult-dae", "denoising autoencoder of histories, multinomial likelihood",
                   "Liang et al. 2018, §2.3", &mult_dae_network)
