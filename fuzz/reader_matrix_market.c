/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix Market coordinate files.
 */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const options[] = {"format", "matrix-market", "min-item-events", "1", NULL};
    fuzz_read(bytes, size, options);
    return 0;
}
