#define _GNU_SOURCE
#include "clinux_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_TEXTS 64
#define CHANNEL 3

static int cut(const char *texts, int count, char **into) {
    if (count < 0 || count >= MOST_TEXTS) return -E2BIG;
    for (int index = 0; index < count; index++) {
        into[index] = (char *)texts;
        texts += strlen(texts) + 1;
    }
    into[count] = NULL;
    return 0;
}

// Out of the way of the numbers that the program is given.
static int move_up(int *descriptor) {
    int moved = fcntl(*descriptor, F_DUPFD_CLOEXEC, 10);
    if (moved < 0) return -errno;
    close(*descriptor);
    *descriptor = moved;
    return 0;
}

static int spawn(
    const char *program, char **arguments, char **environment, int channel, int errors, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    int status = posix_spawn_file_actions_init(&actions);
    if (status != 0) return -status;
    posix_spawnattr_t attributes;
    status = posix_spawnattr_init(&attributes);
    if (status != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -status;
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (!status) status = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!status) status = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!status) status = posix_spawn_file_actions_adddup2(&actions, errors, 2);
    if (!status) status = posix_spawn_file_actions_adddup2(&actions, channel, CHANNEL);
    if (!status) status = posix_spawn_file_actions_addclosefrom_np(&actions, CHANNEL + 1);
    if (!status) status = posix_spawnattr_setsigmask(&attributes, &none);
    if (!status) status = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!status) status = posix_spawnattr_setpgroup(&attributes, 0);
    if (!status)
        status = posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    if (!status) status = posix_spawn(pid, program, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -status;
}

static void close_both(int ends[2]) {
    close(ends[0]);
    close(ends[1]);
}

int clinux_start_child(
    const char *program, const char *arguments, int argument_count, const char *environment, int environment_count,
    struct clinux_child *child) {
    char *argument_list[MOST_TEXTS], *environment_list[MOST_TEXTS];
    int status = cut(arguments, argument_count, argument_list);
    if (status == 0) status = cut(environment, environment_count, environment_list);
    if (status < 0) return status;
    int channel[2], errors[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0) return -errno;
    if (pipe2(errors, O_CLOEXEC) < 0) {
        status = -errno;
        close_both(channel);
        return status;
    }
    fcntl(channel[0], F_SETFL, O_NONBLOCK);
    fcntl(errors[0], F_SETFL, O_NONBLOCK);
    status = move_up(&channel[1]);
    if (status == 0) status = move_up(&errors[1]);
    pid_t pid = 0;
    if (status == 0) status = spawn(program, argument_list, environment_list, channel[1], errors[1], &pid);
    int process = -1;
    if (status == 0) {
        process = (int)syscall(SYS_pidfd_open, pid, 0);
        if (process < 0) {
            status = -errno;
            int ignored;
            clinux_kill_child(pid);
            clinux_reap_child(pid, 1, &ignored);
        }
    }
    close(channel[1]);
    close(errors[1]);
    if (status < 0) {
        close(channel[0]);
        close(errors[0]);
        return status;
    }
    *child = (struct clinux_child){.pid = pid, .process = process, .channel = channel[0], .errors = errors[0]};
    return 0;
}

void clinux_kill_child(pid_t pid) {
    if (pid > 1) kill(-pid, SIGKILL);
}

int clinux_reap_child(pid_t pid, int waits, int *value) {
    int status;
    pid_t ended;
    do {
        ended = waitpid(pid, &status, waits ? 0 : WNOHANG);
    } while (ended < 0 && errno == EINTR);
    if (ended < 0) return -errno;
    if (ended == 0) return 0;
    *value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    return WIFSIGNALED(status) ? 2 : 1;
}

ssize_t clinux_receive_message(int socket, void *bytes, size_t size) {
    ssize_t count = recv(socket, bytes, size, MSG_TRUNC);
    return count < 0 ? -errno : count;
}
