/* SPDX-License-Identifier: Apache-2.0
 *
 * API keys, read from a file: one a line,
 *
 *     name permission key
 *
 * where permission is read, write (which may read, too) or admin (which may do all), and key is the key itself, of 16
 * to 200 visible ASCII characters, or "sha256:" and the 64 hexadecimal digits of its hash, so that the file gives
 * nothing away. Empty lines and lines that begin with # are left out.
 */
#ifndef TOPN_SERVER_KEYS_H
#define TOPN_SERVER_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "route.h"

enum { KEY_NAME = 64 };

typedef struct keys keys;

/* NULL with one line in `why` that names file and line. */
keys *keys_read(const char *path, char *why, size_t why_size);
void keys_free(keys *keys);
size_t keys_count(const keys *keys);
/* What the key grants, PERMIT_ALL (which is nothing) when it is none of them; name_out [KEY_NAME] receives its name.
 * Takes the same time for every key of one length. */
permission keys_check(const keys *keys, const char *key, char *name_out);

#endif
