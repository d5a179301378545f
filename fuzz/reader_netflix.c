/* SPDX-License-Identifier: Apache-2.0
 *
 * Ratings of the Netflix Prize.
 */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const options[] = {"format", "netflix", "duplicates", "max", NULL};
    fuzz_read(bytes, size, options);
    return 0;
}
