#define _GNU_SOURCE
#include "CTestClock.h"
#include <sys/time.h>
#include <time.h>

static _Thread_local uint64_t standing;

void test_clock_set(uint64_t microseconds) { standing = microseconds; }

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    if (standing) {
        time->tv_sec = standing / 1000000;
        time->tv_usec = standing % 1000000;
        return 0;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}
