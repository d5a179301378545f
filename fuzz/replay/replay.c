/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds every file of the folders given to a fuzz target, in the order of their names; also the empty input.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    rewind(file);
    /* Exactly as many bytes as the file has, so that a sanitizer sees any read past them. */
    uint8_t *bytes = size >= 0 ? malloc(size ? (size_t)size : 1) : NULL;
    const size_t got = bytes ? fread(bytes, 1, (size_t)size, file) : 0;
    fclose(file);
    if (bytes && got == (size_t)size)
        LLVMFuzzerTestOneInput(bytes, got);
    free(bytes);
    return bytes && got == (size_t)size ? 0 : -1;
}

int main(int count, char **folders)
{
    int files = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int at = 1; at < count; at++) {
        struct dirent **names;
        const int found = scandir(folders[at], &names, NULL, alphasort);
        if (found < 0) {
            perror(folders[at]);
            return 1;
        }
        for (int name = 0; name < found; name++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", folders[at], names[name]->d_name);
            if (names[name]->d_name[0] != '.') {
                if (replay_file(path) != 0) {
                    perror(path);
                    return 1;
                }
                files++;
            }
            free(names[name]);
        }
        free(names);
    }
    printf("%d files replayed\n", files);
    return 0;
}
