/* SPDX-License-Identifier: Apache-2.0
 *
 * RecBole's atomic files.
 */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const options[] = {"format", "recbole", NULL};
    fuzz_read(bytes, size, options);
    return 0;
}
