#define _GNU_SOURCE
#include "clinux_loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

__thread const void *clinux_thread_loop;

static uint64_t nanoseconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

uint64_t clinux_monotonic_nanoseconds(void) { return nanoseconds(CLOCK_MONOTONIC); }
uint64_t clinux_realtime_nanoseconds(void) { return nanoseconds(CLOCK_REALTIME); }

static atomic_bool lacks_pwait2;

int clinux_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t timeout) {
    if (timeout > 0 && !atomic_load_explicit(&lacks_pwait2, memory_order_relaxed)) {
        struct timespec time = {.tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000};
        int count = epoll_pwait2(epoll, events, capacity, &time, NULL);
        if (count >= 0) return count;
        // Old kernels lack the call; some containers' filters forbid it.
        if (errno != ENOSYS && errno != EPERM) return -errno;
        atomic_store_explicit(&lacks_pwait2, true, memory_order_relaxed);
    }
    int milliseconds = -1;
    if (timeout >= 0) {
        int64_t rounded = timeout / 1000000 + (timeout % 1000000 != 0);
        milliseconds = rounded > 60000 ? 60000 : (int)rounded;
    }
    int count = epoll_wait(epoll, events, capacity, milliseconds);
    return count >= 0 ? count : -errno;
}

void clinux_name_thread(const char *name) {
    char kept[16];
    strncpy(kept, name, sizeof kept - 1);
    kept[sizeof kept - 1] = 0;
    pthread_setname_np(pthread_self(), kept);
}
