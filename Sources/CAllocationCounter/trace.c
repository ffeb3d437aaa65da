#define _GNU_SOURCE
#include "trace.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "CAllocationCounter.h"

// A table of the distinct stacks, of fixed size so that tracing allocates nothing.
enum { frames_kept = 24, frames_skipped = 3, places_kept = 512 };
struct place {
    int frame_count;
    uint64_t hits;
    void *frames[frames_kept];
};
static struct place places[places_kept];
static int place_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool is_tracing;
// The unwinder may allocate in its first call of a thread.
static __thread bool is_inside;

void allocation_trace_note(void) {
    if (!atomic_load_explicit(&is_tracing, memory_order_relaxed) || is_inside) return;
    is_inside = true;
    void *frames[frames_kept];
    int count = backtrace(frames, frames_kept);
    pthread_mutex_lock(&lock);
    int index = 0;
    while (index < place_count) {
        if (places[index].frame_count == count && memcmp(places[index].frames, frames, sizeof(void *) * count) == 0)
            break;
        index++;
    }
    if (index < places_kept) {
        if (index == place_count) {
            places[index].frame_count = count;
            memcpy(places[index].frames, frames, sizeof(void *) * count);
            place_count++;
        }
        places[index].hits++;
    }
    pthread_mutex_unlock(&lock);
    is_inside = false;
}

void allocation_trace_start(void) {
    pthread_mutex_lock(&lock);
    place_count = 0;
    memset(places, 0, sizeof places);
    pthread_mutex_unlock(&lock);
    atomic_store(&is_tracing, true);
}

void allocation_trace_stop(int descriptor) {
    atomic_store(&is_tracing, false);
    is_inside = true;
    pthread_mutex_lock(&lock);
    for (int index = 0; index < place_count; index++) {
        struct place *place = &places[index];
        dprintf(descriptor, "\n%llu allocations\n", (unsigned long long)place->hits);
        if (place->frame_count > frames_skipped)
            backtrace_symbols_fd(place->frames + frames_skipped, place->frame_count - frames_skipped, descriptor);
    }
    pthread_mutex_unlock(&lock);
    is_inside = false;
}
