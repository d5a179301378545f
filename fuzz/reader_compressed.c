/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes of a source in small and in large steps: the same content, whatever the steps, and the same failure. The first
 * byte sets the step.
 */
#include "ingest/source.h"
#include "reader.h"

enum { MOST = 1 << 22 };

/* Hash of the content (at most MOST bytes), read in steps. */
static topn_status drain(topn_context *context, const uint8_t *bytes, size_t size, size_t step, uint64_t *hash)
{
    source *from = NULL;
    size_t total = 0;
    *hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    topn_status status = source_from_memory(context, "fuzz", bytes, size, &from);
    for (bool last = false; status == TOPN_OK && !last && total < MOST;) {
        const unsigned char *text;
        size_t got;
        status = source_peek(context, from, step, &text, &got, &last);
        if (status != TOPN_OK)
            break;
        FUZZ_CHECK(got <= step && (got > 0 || last));
        got = got < MOST - total ? got : MOST - total;
        for (size_t at = 0; at < got; at++)
            *hash = (*hash ^ text[at]) * UINT64_C(0x100000001b3);
        source_consume(from, got);
        total += got;
    }
    source_close(from);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    topn_context *context;
    uint64_t small, large;
    if (size == 0 || topn_context_create(&context) != TOPN_OK)
        return 0;
    const topn_status first = drain(context, bytes + 1, size - 1, (size_t)bytes[0] * 16 + 1, &small);
    const topn_status second = drain(context, bytes + 1, size - 1, MOST, &large);
    FUZZ_CHECK(first != TOPN_OK || second != TOPN_OK || small == large);
    topn_context_free(context);
    return 0;
}
