/* SPDX-License-Identifier: Apache-2.0 */
#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "complain.h"

int new_file_open(const char *path, new_file *out)
{
    *out = (new_file){.path = path};
    if (strcmp(path, "-") == 0) {
        out->stream = stdout;
        return CODE_DONE;
    }
    out->temporary = need_format("%s.XXXXXX", path);
    const int descriptor = mkostemp(out->temporary, O_CLOEXEC);
    out->stream = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (out->stream) {
        const mode_t mask = umask(0);
        umask(mask);
        fchmod(descriptor, 0666 & ~mask); /* mkostemp made it for the owner alone */
        return CODE_DONE;
    }
    const int code = complain(CODE_FAILED, "cannot write %s: %s", path, strerror(errno));
    if (descriptor >= 0) {
        close(descriptor);
        unlink(out->temporary);
    }
    free(out->temporary);
    out->temporary = NULL;
    return code;
}

int new_file_close(new_file *file, bool keep)
{
    if (!file->stream || !file->temporary)
        return CODE_DONE;
    errno = 0;
    bool good = keep && fflush(file->stream) == 0 && !ferror(file->stream) && fsync(fileno(file->stream)) == 0;
    good = fclose(file->stream) == 0 && good;
    good = good && rename(file->temporary, file->path) == 0;
    int code = CODE_DONE;
    if (!good) {
        if (keep)
            code = complain(CODE_FAILED, "cannot write %s: %s", file->path, strerror(errno ? errno : EIO));
        unlink(file->temporary);
    }
    free(file->temporary);
    *file = (new_file){0};
    return code;
}
