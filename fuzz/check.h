/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOPN_FUZZ_CHECK_H
#define TOPN_FUZZ_CHECK_H

#include <stdio.h>
#include <stdlib.h>

/* Stops the fuzzer with the expression that is false. */
#define FUZZ_CHECK(expression)                                                                                         \
    do {                                                                                                               \
        if (!(expression)) {                                                                                           \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #expression);                                           \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif
