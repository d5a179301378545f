/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix that chol and ssvd factor, S = β·diag(d) − P with d = diag(P) (P1 eq. 6 and 9), and the item priors that
 * make its factor's scores those of EASE: S·diag(1/d) is EASE's B off its diagonal and β − 1 on it.
 *
 * S is positive definite iff β > λ_max(D^-½·P·D^-½).
 */
#ifndef TOPN_TRAIN_LINEAR_SHIFTED_H
#define TOPN_TRAIN_LINEAR_SHIFTED_H

#include "train/linear/system.h"

/* The member named `shifted` of a parameter struct. */
typedef struct shifted_params {
    double beta; /* NAN = auto */
    int priors;  /* choice ease|uniform */
} shifted_params;

#define SHIFTED_OPTIONS(params)                                                                                        \
    OPTION_REAL_AUTO(params, shifted.beta, "beta", "auto", 1e-6, 1e9,                                                  \
                     "β; auto = the larger of 2 and 1.05 times the least value that has a factor"),                    \
        OPTION_CHOICE(params, shifted.priors, "priors", "ease", "ease|uniform",                                        \
                      "item priors π: 1/d, which ranks as EASE does, or all 1")

/* Bytes that shift_inverse takes. */
uint64_t shift_bytes(uint64_t items);
/* P → S in the lower triangle; d [n] and the probe's product, now S·v, are set. λ_max and β go to the metadata. OPTION
 * when the fixed β is too small. */
topn_status shift_inverse(topn_context *context, const char *method_name, double beta, symmetric *p, float *d,
                          linear_probe *probe, record *metadata);
/* Checks and records ‖product − S·v‖ / ‖S·v‖, where product [n] is what the factor makes of the probe's v. NUMERIC when
 * it is too large. */
topn_status shift_accept(topn_context *context, const linear_probe *probe, const double *product, size_t n,
                         record *metadata);
/* π in item order: 1/d or 1, with the score exponent; NULL when all are 1. */
topn_status shift_priors(topn_context *context, const topn_data *data, const linear_system *system, const float *d,
                         int priors, double score_exponent, float **out);

#endif
