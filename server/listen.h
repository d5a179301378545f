/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOPN_SERVER_LISTEN_H
#define TOPN_SERVER_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a numeric address ("127.0.0.1", "::1") or "localhost" is of this machine alone. */
bool listen_is_loopback(const char *address);
/* A socket that listens at a numeric address or "localhost"; port 0 takes any free one, *port_out says which. −1 with
 * one line in `why`. */
int listen_at(const char *address, uint16_t port, uint16_t *port_out, char *why, size_t why_size);

#endif
