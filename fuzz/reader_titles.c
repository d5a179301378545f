/* SPDX-License-Identifier: Apache-2.0
 *
 * Side files of titles; the first byte picks the encoding.
 */
#include "ingest/source.h"
#include "ingest/titles.h"
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const names[] = {"1", "2", "10", "a", "b c", "\xc3\xa4"};
    enum { NAMES = sizeof names / sizeof *names };
    topn_context *context;
    string_table ids, titles = {0};
    source *from = NULL;
    if (size == 0 || topn_context_create(&context) != TOPN_OK)
        return 0;
    const reader_params params = {.encoding = bytes[0] % 3};
    FUZZ_CHECK(string_table_create(context, names, NAMES, &ids) == TOPN_OK);
    if (source_from_memory(context, "fuzz", bytes + 1, size - 1, &from) == TOPN_OK &&
        titles_read_source(context, from, &params, &ids, &titles) == TOPN_OK) {
        FUZZ_CHECK(titles.count == NAMES);
        FUZZ_CHECK(string_table_check(context, &titles, titles.offsets[NAMES], "titles") == TOPN_OK);
    }
    source_close(from);
    string_table_clear(&titles);
    string_table_clear(&ids);
    topn_context_free(context);
    return 0;
}
