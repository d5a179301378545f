/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of files share: a context, an empty folder of their own and two names in it. `end` fails when anything
 * else, such as a temporary, was left there. One test program includes it once.
 */
#ifndef TOPN_TESTS_FILE_FIXTURE_H
#define TOPN_TESTS_FILE_FIXTURE_H

#include "base/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static topn_context *context;
static char folder[] = "/tmp/topn-test-XXXXXX";
static char path[64], again[64];

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/file", folder);
    snprintf(again, sizeof again, "%s/again", folder);
    return topn_context_create(&context) == TOPN_OK ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    unlink(again);
    topn_context_free(context);
    return rmdir(folder);
}

#endif
