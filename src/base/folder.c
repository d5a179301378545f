/* SPDX-License-Identifier: Apache-2.0 */
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

struct folder_writer {
    topn_context *context;
    const char *const *names; /* [count] */
    size_t count;
    const char *marker;
    char *target, *temporary; /* without a slash at the end */
    char *file;               /* [capacity] path of a file, see folder_file */
    size_t capacity;
    bool made; /* whether the temporary exists */
};

static bool is_known(const folder_writer *writer, const char *name)
{
    for (size_t index = 0; index < writer->count; index++)
        if (strcmp(writer->names[index], name) == 0)
            return true;
    return false;
}

/* The target is missing, empty, or of our own making. */
static topn_status check_target(const folder_writer *writer)
{
    topn_context *context = writer->context;
    DIR *folder = opendir(writer->target);
    if (!folder)
        return errno == ENOENT ? TOPN_OK : fail_io(context, "cannot write the folder", writer->target);
    bool marked = false, empty = true;
    char stranger[256] = "";
    for (const struct dirent *entry; (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        empty = false;
        marked = marked || strcmp(entry->d_name, writer->marker) == 0;
        if (!is_known(writer, entry->d_name))
            snprintf(stranger, sizeof stranger, "%s", entry->d_name);
    }
    closedir(folder);
    if (stranger[0])
        return fail(context, TOPN_ERROR_IO,
                    "will not replace the folder %s: it holds %s, which is no part of this output", writer->target,
                    stranger);
    if (!empty && !marked)
        return fail(context, TOPN_ERROR_IO, "will not replace the folder %s: it is not empty and holds no %s",
                    writer->target, writer->marker);
    return TOPN_OK;
}

/* Beside the target, so that rename stays within one file system. */
static topn_status make_temporary(folder_writer *writer)
{
    const size_t capacity = strlen(writer->target) + 48;
    const topn_status status = memory_allocate(writer->context, capacity, 1, &writer->temporary);
    if (status != TOPN_OK)
        return status;
    for (unsigned attempt = 0; !writer->made; attempt++) {
        snprintf(writer->temporary, capacity, "%s.tmp-%ld-%u", writer->target, (long)getpid(), attempt);
        writer->made = mkdir(writer->temporary, 0777) == 0;
        if (!writer->made && errno != EEXIST)
            return fail_io(writer->context, "cannot write the folder", writer->target);
    }
    return TOPN_OK;
}

topn_status folder_create(topn_context *context, const char *path, const char *const *names, size_t count,
                          const char *marker, folder_writer **out)
{
    topn_status status;
    folder_writer *writer = NULL;
    char *resolved = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &writer));
    *writer = (folder_writer){.context = context, .names = names, .count = count, .marker = marker};
    resolved = realpath(path, NULL); /* a link keeps pointing: its target is replaced */
    TRY(memory_copy_text(context, resolved ? resolved : path, &writer->target));
    for (size_t end = strlen(writer->target); end > 1 && writer->target[end - 1] == '/'; end--)
        writer->target[end - 1] = '\0';
    TRY(check_target(writer));
    TRY(make_temporary(writer));
    *out = writer;
    writer = NULL;
done:
    free(resolved);
    folder_abandon(writer);
    return status;
}

static topn_status file_in(folder_writer *writer, const char *folder, const char *name, const char **path)
{
    const size_t size = strlen(folder) + strlen(name) + 2;
    if (size > writer->capacity) {
        const topn_status status = RESIZE(writer->context, size, &writer->file);
        if (status != TOPN_OK)
            return status;
        writer->capacity = size;
    }
    snprintf(writer->file, size, "%s/%s", folder, name);
    *path = writer->file;
    return TOPN_OK;
}

topn_status folder_file(folder_writer *writer, const char *name, const char **path)
{
    return file_in(writer, writer->temporary, name, path);
}

/* Removes our files and then the folder; files of others would keep it, and them, in place. */
static void remove_folder(folder_writer *writer, const char *folder)
{
    for (size_t index = 0; index < writer->count; index++) {
        const char *path;
        if (file_in(writer, folder, writer->names[index], &path) == TOPN_OK)
            unlink(path);
    }
    rmdir(folder);
}

/* Gives the temporary the target's name; what bore it is removed after. */
static topn_status take_name(folder_writer *writer)
{
    if (rename(writer->temporary, writer->target) == 0) { /* missing or empty */
        writer->made = false;
        return TOPN_OK;
    }
    if (errno != EEXIST && errno != ENOTEMPTY)
        return fail_io(writer->context, "cannot write the folder", writer->target);
    const topn_status status = check_target(writer); /* it may have changed meanwhile */
    if (status != TOPN_OK)
        return status;
    if (renameat2(AT_FDCWD, writer->temporary, AT_FDCWD, writer->target, RENAME_EXCHANGE) != 0)
        return fail_io(writer->context, "cannot replace the folder", writer->target);
    return TOPN_OK; /* the old one is the temporary now, removed by folder_abandon */
}

topn_status folder_commit(folder_writer *writer)
{
    topn_status status;
    const char *path;
    TRY(folder_file(writer, writer->marker, &path));
    TRY(file_sync_folder(writer->context, path));
    TRY(take_name(writer));
    TRY(file_sync_folder(writer->context, writer->target));
done:
    folder_abandon(writer);
    return status;
}

void folder_abandon(folder_writer *writer)
{
    if (!writer)
        return;
    if (writer->made)
        remove_folder(writer, writer->temporary);
    free(writer->target);
    free(writer->temporary);
    free(writer->file);
    free(writer);
}
