/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOPN_SERVER_OPTIONS_H
#define TOPN_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "server.h"

/* What a server does when it is told nothing. */
server_options server_options_default(void);
/* Options against each other, and what would leave the server open to others. false with one line in `why`. */
bool server_options_check(const server_options *options, char *why, size_t why_size);

#endif
