/* SPDX-License-Identifier: Apache-2.0
 *
 * Delimited text; the first byte picks options.
 */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const choices[][9] = {
        {"format", "delimited", NULL},
        {"format", "delimited", "separator", ",", "header", "no", "encoding", "latin-1", NULL},
        {"format", "delimited", "separator", "::", "duplicates", "sum", NULL},
        {"format", "delimited", "separator", "space", "duplicates", "max", NULL},
        {"format", "delimited", "separator", "tab", "min-weight", "2", "min-item-events", "2", NULL},
        {"format", "delimited", "header", "yes", "duplicates", "count", "min-user-events", "2", NULL},
        {"format", "delimited", "separator", ";", "user-column", "2", "item-column", "1", NULL},
        {"format", "delimited", "since", "100", "until", "2020-01-01", "time-column", "3", NULL},
    };
    if (size == 0)
        return 0;
    fuzz_read(bytes + 1, size - 1, choices[bytes[0] % (sizeof choices / sizeof *choices)]);
    return 0;
}
