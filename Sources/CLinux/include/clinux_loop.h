#pragma once
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/// The loop whose thread this is, for one compare; NULL on other threads.
extern __thread const void *clinux_thread_loop;
static inline const void *clinux_current_loop(void) { return clinux_thread_loop; }
static inline void clinux_set_current_loop(const void *loop) { clinux_thread_loop = loop; }

static inline void clinux_event_set(struct epoll_event *event, uint32_t events, uint64_t data) {
    event->events = events;
    event->data.u64 = data;
}
static inline uint64_t clinux_event_data(const struct epoll_event *event) { return event->data.u64; }

/// Waits with nanosecond timeouts where the kernel has epoll_pwait2, else rounded up to milliseconds; negative waits for
/// ever.
int clinux_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t timeout_nanoseconds);

uint64_t clinux_monotonic_nanoseconds(void);
/// Nanoseconds since 1970.
uint64_t clinux_realtime_nanoseconds(void);
/// Names the calling thread; the kernel keeps 15 bytes.
void clinux_name_thread(const char *name);
