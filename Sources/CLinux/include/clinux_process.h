#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// A started program and this side of its descriptors, which are non-blocking and close-on-exec.
struct clinux_child {
    pid_t pid;
    /// Becomes readable when the program has ended (pidfd_open).
    int process;
    /// SOCK_SEQPACKET; its other end is the program's descriptor 3.
    int channel;
    /// What the program writes to its standard error.
    int errors;
};

/// Starts a program in a process group of its own, with descriptor 3, standard error and nothing else of this process.
///
/// `arguments` and `environment` hold NUL-terminated texts one after another. 0 or a negative errno.
int clinux_start_child(
    const char *program, const char *arguments, int argument_count, const char *environment, int environment_count,
    struct clinux_child *child);
/// Ends the program, and what it has started, at once.
void clinux_kill_child(pid_t pid);
/// How a program ended: 1 with an exit code, 2 with a signal, 0 when it has not ended; a negative errno when it is
/// nobody's child any more.
int clinux_reap_child(pid_t pid, int waits, int *value);

/// The bytes of the next message, of which as many as fit are in `bytes`; 0 at the end, else a negative errno.
ssize_t clinux_receive_message(int socket, void *bytes, size_t size);
