#define _GNU_SOURCE
#include "clinux_signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define SIGNALS 65

// Descriptor plus one, so that zero means none.
static atomic_int targets[SIGNALS];
static struct sigaction previous[SIGNALS];

static void forward(int number) {
    int saved = errno;
    int target = atomic_load(&targets[number]);
    unsigned char byte = (unsigned char)number;
    // A full pipe holds the signal already.
    if (target > 0) (void)!write(target - 1, &byte, 1);
    errno = saved;
}

int clinux_redirect_signal(int number, int descriptor) {
    if (number <= 0 || number >= SIGNALS) return -EINVAL;
    int free_target = 0;
    if (!atomic_compare_exchange_strong(&targets[number], &free_target, descriptor + 1)) return -EBUSY;
    struct sigaction action = {.sa_handler = forward, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, &previous[number]) < 0) {
        int error = errno;
        atomic_store(&targets[number], 0);
        return -error;
    }
    return 0;
}

void clinux_restore_signal(int number) {
    if (number <= 0 || number >= SIGNALS) return;
    sigaction(number, &previous[number], NULL);
    atomic_store(&targets[number], 0);
}

int clinux_pipe(int *reading, int *writing) {
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) return -errno;
    *reading = ends[0];
    *writing = ends[1];
    return 0;
}
