#pragma once
#include <libpq-fe.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// ppoll is hidden from Swift's Glibc module (it needs _GNU_SOURCE), and poll itself cannot wait less than a
// millisecond. A negative time-out waits for ever.
static inline int weir_poll(struct pollfd *entries, unsigned count, int64_t nanoseconds) {
    struct timespec limit = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    return (int)syscall(SYS_ppoll, entries, (nfds_t)count, nanoseconds < 0 ? NULL : &limit, NULL, (size_t)8);
}

static inline int weir_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

// Bytes that a read of the socket would find now; -1 when that cannot be told. ioctl is variadic.
static inline int weir_bytes_waiting(int socket) {
    int count = 0;
    return ioctl(socket, FIONREAD, &count) == 0 ? count : -1;
}
