/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidate lists of the NCF protocol.
 */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const options[] = {"format", "ncf-negatives", "encoding", "latin-1", NULL};
    fuzz_read(bytes, size, options);
    return 0;
}
