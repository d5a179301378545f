/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum { BUFFER_SIZE = 1 << 18 };

struct file_writer {
    topn_context *context;
    int descriptor;
    bool lent;    /* the descriptor is standard output's */
    bool through; /* standard output, a device or a pipe: no temporary */
    char *path, *temporary;
    topn_status failure; /* of an earlier write: the file may not become final */
    uint64_t offset;     /* bytes accepted */
    size_t held;         /* bytes in buffer */
    unsigned char buffer[BUFFER_SIZE];
};

static topn_status write_all(file_writer *writer, const unsigned char *bytes, size_t count)
{
    while (count > 0) {
        const ssize_t written = write(writer->descriptor, bytes, count < (1u << 30) ? count : (1u << 30));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return fail_io(writer->context, "cannot write", writer->path);
        bytes += written;
        count -= (size_t)written;
    }
    return TOPN_OK;
}

static topn_status flush(file_writer *writer)
{
    if (writer->failure == TOPN_OK)
        writer->failure = write_all(writer, writer->buffer, writer->held);
    writer->held = 0;
    return writer->failure;
}

/* Beside the target, so that rename stays within one file system. The name is free: O_EXCL. */
static topn_status open_temporary(file_writer *writer)
{
    const size_t capacity = strlen(writer->path) + 48;
    const topn_status status = memory_allocate(writer->context, capacity, 1, &writer->temporary);
    if (status != TOPN_OK)
        return status;
    for (unsigned attempt = 0; writer->descriptor < 0; attempt++) {
        snprintf(writer->temporary, capacity, "%s.tmp-%ld-%u", writer->path, (long)getpid(), attempt);
        writer->descriptor = open(writer->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->descriptor < 0 && errno != EEXIST && errno != EINTR) {
            free(writer->temporary);
            writer->temporary = NULL;
            return fail_io(writer->context, "cannot write", writer->path);
        }
    }
    return TOPN_OK;
}

/* A device or pipe cannot be replaced: it is written through. A link keeps pointing: its target is replaced. */
static topn_status open_target(file_writer *writer, const char *path)
{
    struct stat about;
    topn_status status;
    if (stat(path, &about) != 0) {
        TRY(memory_copy_text(writer->context, path, &writer->path));
        return open_temporary(writer);
    }
    if (S_ISDIR(about.st_mode))
        return fail(writer->context, TOPN_ERROR_IO, "cannot write %s: it is a folder", path);
    char *resolved = S_ISREG(about.st_mode) ? realpath(path, NULL) : NULL;
    status = memory_copy_text(writer->context, resolved ? resolved : path, &writer->path);
    free(resolved);
    TRY(status);
    if (S_ISREG(about.st_mode))
        return open_temporary(writer);
    writer->through = true;
    writer->descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (writer->descriptor < 0)
        return fail_io(writer->context, "cannot write", path);
done:
    return status;
}

topn_status file_create(topn_context *context, const char *path, file_writer **out)
{
    topn_status status;
    file_writer *writer = NULL;
    *out = NULL;
    TRY(ALLOCATE(context, 1, &writer));
    writer->context = context; /* the buffer needs no zeroes */
    writer->descriptor = -1;
    writer->failure = TOPN_OK;
    writer->lent = writer->through = false;
    writer->path = writer->temporary = NULL;
    writer->offset = writer->held = 0;
    if (strcmp(path, "-") == 0) {
        TRY(memory_copy_text(context, "standard output", &writer->path));
        writer->lent = writer->through = true;
        writer->descriptor = STDOUT_FILENO;
    } else {
        TRY(open_target(writer, path));
    }
    *out = writer;
    return TOPN_OK;
done:
    file_abandon(writer);
    return status;
}

topn_status file_write(file_writer *writer, const void *bytes, size_t count)
{
    topn_status status = TOPN_OK;
    writer->offset += count;
    if (writer->held + count > BUFFER_SIZE)
        TRY(flush(writer));
    if (count > BUFFER_SIZE)
        return writer->failure = write_all(writer, bytes, count);
    memcpy(writer->buffer + writer->held, bytes, count);
    writer->held += count;
done:
    return status;
}

topn_status file_print(file_writer *writer, const char *format, ...)
{
    char line[4096];
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    topn_status status;
    if ((size_t)length < sizeof line) {
        status = file_write(writer, line, (size_t)length);
    } else {
        char *text = NULL;
        status = memory_allocate(writer->context, (size_t)length + 1, 1, &text);
        if (status == TOPN_OK) {
            vsnprintf(text, (size_t)length + 1, format, again);
            status = file_write(writer, text, (size_t)length);
        }
        free(text);
    }
    va_end(again);
    return status;
}

uint64_t file_offset(const file_writer *writer)
{
    return writer->offset;
}

topn_status file_patch(file_writer *writer, uint64_t offset, const void *bytes, size_t count)
{
    topn_status status;
    TRY(flush(writer));
    const unsigned char *from = bytes;
    while (count > 0) {
        const ssize_t written = pwrite(writer->descriptor, from, count, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return writer->failure = fail_io(writer->context, "cannot write", writer->path);
        from += written;
        offset += (uint64_t)written;
        count -= (size_t)written;
    }
done:
    return status;
}

/* Descriptor of the folder that holds `path`; all that can fail before a rename does. */
static topn_status open_folder(topn_context *context, const char *path, int *out)
{
    char *folder = NULL;
    *out = -1;
    topn_status status = memory_copy_text(context, path, &folder);
    if (status != TOPN_OK)
        return status;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    *out = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* A folder that may be written but not read cannot be synced; the file is still whole. */
    if (*out < 0 && errno != EACCES)
        status = fail_io(context, "cannot open the folder of", path);
    free(folder);
    return status;
}

topn_status file_sync_folder(topn_context *context, const char *path)
{
    int folder;
    topn_status status = open_folder(context, path, &folder);
    if (folder >= 0 && fsync(folder) != 0 && errno != EINVAL)
        status = fail_io(context, "cannot sync the folder of", path);
    if (folder >= 0)
        close(folder);
    return status;
}

/* The temporary, complete and closed, takes the target's name for good. */
static topn_status replace_target(file_writer *writer)
{
    topn_status status;
    topn_context *context = writer->context;
    int folder = -1;
    TRY(open_folder(context, writer->path, &folder));
    const int descriptor = writer->descriptor;
    const bool synced = fsync(descriptor) == 0 || errno == EINVAL;
    if (synced)
        writer->descriptor = -1;
    if (!synced || close(descriptor) != 0 || rename(writer->temporary, writer->path) != 0) {
        status = fail_io(context, "cannot write", writer->path);
        goto done;
    }
    free(writer->temporary);
    writer->temporary = NULL;
    if (folder >= 0 && fsync(folder) != 0 && errno != EINVAL)
        status = fail_io(context, "cannot sync the folder of", writer->path);
done:
    if (folder >= 0)
        close(folder);
    return status;
}

topn_status file_commit(file_writer *writer)
{
    topn_status status = flush(writer);
    if (status == TOPN_OK && !writer->through)
        status = replace_target(writer);
    file_abandon(writer);
    return status;
}

void file_abandon(file_writer *writer)
{
    if (!writer)
        return;
    if (writer->descriptor >= 0 && !writer->lent)
        close(writer->descriptor);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    free(writer);
}

topn_status file_map_open(topn_context *context, const char *path, file_map *out)
{
    *out = (file_map){0};
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fail_io(context, "cannot open", path);
    struct stat about;
    topn_status status = TOPN_OK;
    if (fstat(descriptor, &about) != 0)
        status = fail_io(context, "cannot read", path);
    else if (S_ISDIR(about.st_mode))
        status = fail(context, TOPN_ERROR_IO, "cannot read %s: it is a folder", path);
    else if (!S_ISREG(about.st_mode))
        status = fail(context, TOPN_ERROR_IO, "cannot map %s: it is not a regular file", path);
    else if (about.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (bytes == MAP_FAILED)
            status = fail_io(context, "cannot map", path);
        else
            *out = (file_map){.bytes = bytes, .size = (size_t)about.st_size};
    }
    close(descriptor);
    return status;
}

void file_map_close(file_map *map)
{
    if (map->bytes)
        munmap((void *)map->bytes, map->size);
    *map = (file_map){0};
}
