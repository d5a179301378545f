/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOPN_SERVER_SHA256_H
#define TOPN_SERVER_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32 };

/* SHA-256 (FIPS 180-4) of some bytes; out [SHA256_SIZE]. */
void sha256(const void *bytes, size_t size, uint8_t *out);

#endif
