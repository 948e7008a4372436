/* Faults of a file system, for LD_PRELOAD. They strike files under the folder $FAULTY_FOLDER.
 *
 * $FAULTY_KIND is the kind of the fault, and $FAULTY_AFTER is the number of calls that succeed before it strikes:
 *   full    every later write and every later new file fails with ENOSPC
 *   write   one write fails with EIO
 *   sync    one fsync fails with EIO
 *   rename  one rename fails with EIO
 *   short   every second later write writes the half of its bytes
 *   torn    one write writes the half of its bytes, and then the process dies of SIGKILL
 * A fault that strikes adds a line to the file $FAULTY_LOG.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static __thread int inside = 0; /* The shim's own calls are not counted. */

#define REAL(type, name, ...)                                  \
    static type (*real)(__VA_ARGS__) = NULL;                   \
    if (real == NULL) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int is_kind(const char *kind) {
    const char *wanted = getenv("FAULTY_KIND");
    return wanted != NULL && strcmp(wanted, kind) == 0;
}

static int under(const char *path) {
    const char *folder = getenv("FAULTY_FOLDER");
    return folder != NULL && path != NULL && strstr(path, folder) != NULL;
}

static int open_under(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return under(path);
}

/* Count a call, and return how many calls after the first faulty one it is; negative before that one. */
static long turn(void) {
    static long calls = 0;
    const char *after = getenv("FAULTY_AFTER");
    return __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) - 1 - (after ? atol(after) : 0);
}

static void record(const char *call) {
    const char *path = getenv("FAULTY_LOG");
    if (path == NULL) return;
    inside = 1;
    FILE *file = fopen(path, "a");
    if (file != NULL) {
        fprintf(file, "%d %s %s\n", (int)getpid(), getenv("FAULTY_KIND"), call);
        fclose(file);
    }
    inside = 0;
}

/* Return the number of bytes to write, or -1 with errno if the write fails. Set `dies` if the process dies after it. */
static ssize_t allowed(int descriptor, size_t count, int *dies) {
    *dies = 0;
    if (inside || getenv("FAULTY_KIND") == NULL || !open_under(descriptor)) return (ssize_t)count;
    int full = is_kind("full"), one = is_kind("write"), torn = is_kind("torn"), shortened = is_kind("short");
    if (!full && !one && !torn && !shortened) return (ssize_t)count;
    long place = turn();
    if (place < 0 || (place > 0 && (one || torn)) || (shortened && (place % 2 || count < 2))) return (ssize_t)count;
    record("write");
    if (full || one) {
        errno = full ? ENOSPC : EIO;
        return -1;
    }
    *dies = torn;
    return (ssize_t)(count / 2);
}

ssize_t write(int descriptor, const void *data, size_t count) {
    REAL(ssize_t, "write", int, const void *, size_t);
    int dies;
    ssize_t size = allowed(descriptor, count, &dies);
    if (size < 0) return -1;
    ssize_t written = real(descriptor, data, (size_t)size);
    if (dies) kill(getpid(), SIGKILL);
    return written;
}

ssize_t pwrite64(int descriptor, const void *data, size_t count, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    int dies;
    ssize_t size = allowed(descriptor, count, &dies);
    if (size < 0) return -1;
    ssize_t written = real(descriptor, data, (size_t)size, offset);
    if (dies) kill(getpid(), SIGKILL);
    return written;
}

ssize_t writev(int descriptor, const struct iovec *parts, int number) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    int dies;
    size_t count = 0;
    for (int i = 0; i < number; i++) count += parts[i].iov_len;
    ssize_t size = allowed(descriptor, count, &dies);
    if (size < 0) return -1;
    ssize_t written = (size_t)size == count ? real(descriptor, parts, number) : write(descriptor, parts[0].iov_base, parts[0].iov_len / 2);
    if (dies) kill(getpid(), SIGKILL);
    return written;
}

int fsync(int descriptor) {
    REAL(int, "fsync", int);
    if (!inside && is_kind("sync") && open_under(descriptor) && turn() == 0) {
        record("fsync");
        errno = EIO;
        return -1;
    }
    return real(descriptor);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    if (!inside && is_kind("rename") && under(to) && turn() == 0) {
        record("rename");
        errno = EIO;
        return -1;
    }
    return real(from, to);
}

static int refused(const char *path, int flags) {
    if (inside || !(flags & O_CREAT) || !is_kind("full") || !under(path) || access(path, F_OK) == 0) return 0;
    if (turn() < 0) return 0;
    record("open");
    errno = ENOSPC;
    return 1;
}

#define OPEN(name)                                                       \
    int name(const char *path, int flags, ...) {                         \
        REAL(int, #name, const char *, int, ...);                        \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                    \
        return refused(path, flags) ? -1 : real(path, flags, mode);      \
    }

OPEN(open)
OPEN(open64)
