/* SPDX-License-Identifier: Apache-2.0 */
#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "complain.h"

/* A device or pipe, which is written through: renaming would put a file in its place. */
static bool written_through(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && !S_ISREG(facts.st_mode);
}

int new_file_open(const char *path, new_file *out)
{
    *out = (new_file){0};
    if (strcmp(path, "-") == 0) {
        out->stream = stdout;
        return CODE_DONE;
    }
    int descriptor;
    out->path = realpath(path, NULL); /* a link is followed */
    out->path = out->path ? out->path : need_text(path);
    if (written_through(path)) {
        descriptor = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        out->temporary = need_format("%s.XXXXXX", out->path);
        descriptor = mkostemp(out->temporary, O_CLOEXEC);
    }
    out->stream = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (out->stream && out->temporary) {
        const mode_t mask = umask(0);
        umask(mask);
        (void)!fchmod(descriptor, 0666 & ~mask); /* mkostemp made it for the owner alone */
    }
    if (out->stream)
        return CODE_DONE;
    const int code = complain(CODE_FAILED, "cannot write %s: %s", path, strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    if (descriptor >= 0 && out->temporary)
        unlink(out->temporary);
    free(out->path);
    free(out->temporary);
    *out = (new_file){0};
    return code;
}

int new_file_close(new_file *file, bool keep)
{
    if (!file->path)
        return CODE_DONE; /* standard output: looked after by main */
    errno = 0;
    bool good = keep && fflush(file->stream) == 0 && !ferror(file->stream);
    good = good && (!file->temporary || fsync(fileno(file->stream)) == 0);
    good = fclose(file->stream) == 0 && good;
    good = good && (!file->temporary || rename(file->temporary, file->path) == 0);
    int code = CODE_DONE;
    if (!good && keep)
        code = complain(CODE_FAILED, "cannot write %s: %s", file->path, strerror(errno ? errno : EIO));
    if (!good && file->temporary)
        unlink(file->temporary);
    free(file->path);
    free(file->temporary);
    *file = (new_file){0};
    return code;
}
