/* SPDX-License-Identifier: Apache-2.0
 *
 * SciPy's sparse .npz. Fuzzing builds leave the checksums of the archive unchecked.
 */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const options[] = {"format", "npz", NULL};
    fuzz_read(bytes, size, options);
    return 0;
}
