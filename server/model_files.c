/* SPDX-License-Identifier: Apache-2.0 */
#include "model_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_AT_ONCE = 1 << 20 };

static char *join(const char *head, const char *tail)
{
    char *made;
    return asprintf(&made, "%s%s", head, tail) < 0 ? NULL : made;
}

bool model_files_name(const char *model, model_files *out)
{
    *out = (model_files){.model = realpath(model, NULL)};
    if (!out->model)
        out->model = strdup(model);
    if (!out->model)
        return false;
    out->new = join(out->model, ".new");
    out->previous = join(out->model, ".previous");
    out->linked = join(out->model, ".new.link"); /* swept with what else is new */
    out->folder = strdup(out->model);
    if (!out->new || !out->previous || !out->linked || !out->folder)
        return false;
    char *slash = strrchr(out->folder, '/');
    if (slash)
        slash[slash == out->folder] = '\0';
    else
        strcpy(out->folder, ".");
    return true;
}

void model_files_clear(model_files *files)
{
    free(files->model);
    free(files->new);
    free(files->previous);
    free(files->linked);
    free(files->folder);
    *files = (model_files){0};
}

void model_files_sweep(const model_files *files)
{
    const char *slash = strrchr(files->new, '/'), *name = slash ? slash + 1 : files->new;
    const size_t length = strlen(name);
    DIR *folder = opendir(files->folder);
    if (!folder)
        return;
    /* MODEL.new, MODEL.new.part, MODEL.new.part.tmp-…, MODEL.new.link: names that only a retraining gives. */
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        if (strncmp(entry->d_name, name, length) == 0 &&
            (!entry->d_name[length] || strncmp(entry->d_name + length, ".part", 5) == 0 ||
             strcmp(entry->d_name + length, ".link") == 0))
            unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
}

static bool sync_path(const char *path, int flags)
{
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | flags);
    const bool good = descriptor >= 0 && fsync(descriptor) == 0;
    if (descriptor >= 0)
        close(descriptor);
    return good;
}

static bool copy_bytes(int from, int to)
{
    char *bytes = malloc(COPY_AT_ONCE);
    bool good = bytes != NULL;
    while (good) {
        const ssize_t count = read(from, bytes, COPY_AT_ONCE);
        if (count == 0)
            break;
        good = count > 0;
        for (ssize_t done = 0; good && done < count;) {
            const ssize_t written = write(to, bytes + done, (size_t)(count - done));
            good = written > 0;
            done += written;
        }
    }
    free(bytes);
    return good && fsync(to) == 0;
}

/* A second name of the model's file, or, on file systems without such, a copy. */
static bool duplicate(const model_files *files)
{
    unlink(files->linked);
    if (link(files->model, files->linked) == 0)
        return true;
    const int from = open(files->model, O_RDONLY | O_CLOEXEC);
    const int to = open(files->linked, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const bool good = from >= 0 && to >= 0 && copy_bytes(from, to);
    const int reason = errno;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    if (!good)
        unlink(files->linked);
    errno = reason;
    return good;
}

bool model_files_advance(const model_files *files, char *why, size_t why_size)
{
    const bool kept = duplicate(files) && rename(files->linked, files->previous) == 0;
    if (!kept) {
        snprintf(why, why_size, "cannot keep %s as %s: %s", files->model, files->previous, strerror(errno));
        return false;
    }
    if (rename(files->new, files->model) != 0) {
        snprintf(why, why_size, "cannot write %s: %s", files->model, strerror(errno));
        return false;
    }
    sync_path(files->folder, O_DIRECTORY);
    return true;
}

bool model_files_exchange(const model_files *files, char *why, size_t why_size)
{
    if (renameat2(AT_FDCWD, files->previous, AT_FDCWD, files->model, RENAME_EXCHANGE) != 0) {
        /* A file system without exchange: by a second name, so that there is a model at every moment. */
        const bool kept = (errno == EINVAL || errno == ENOSYS) && duplicate(files);
        if (!kept || rename(files->previous, files->model) != 0 || rename(files->linked, files->previous) != 0) {
            snprintf(why, why_size, "cannot put %s in the place of %s: %s", files->previous, files->model,
                     strerror(errno));
            return false;
        }
    }
    sync_path(files->folder, O_DIRECTORY);
    return true;
}
