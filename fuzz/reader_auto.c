/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes, the format found by looking at them; also gzip and zstd.
 */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const options[] = {NULL};
    fuzz_read(bytes, size, options);
    return 0;
}
