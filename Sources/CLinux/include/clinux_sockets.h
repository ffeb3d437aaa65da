#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "clinux_address.h"

/// A non-blocking, close-on-exec socket; IPv6 ones are V6ONLY.
int clinux_socket(bool is_ipv6, bool is_stream);
int clinux_bind(int socket, const struct clinux_address *address);
int clinux_listen(int socket, int backlog);
/// A connected, non-blocking, close-on-exec socket.
int clinux_accept(int listener, struct clinux_address *remote);
int clinux_connect(int socket, const struct clinux_address *remote);
int clinux_local_address(int socket, struct clinux_address *address);
/// The pending error of the socket as an errno, 0 when there is none.
int clinux_take_socket_error(int socket);

int clinux_set_no_delay(int socket);
// Ends a connection whose peer acknowledges nothing for so long (RFC 5482).
int clinux_set_user_timeout(int socket, int milliseconds);
int clinux_set_reuse_address(int socket);
/// Asks for a buffer of `size` bytes, past the system's limit when privileged; returns what the kernel granted.
int clinux_set_receive_buffer(int socket, int size);
int clinux_set_send_buffer(int socket, int size);

ssize_t clinux_receive_stream(int socket, void *bytes, size_t size);
/// Never raises SIGPIPE.
ssize_t clinux_send_stream(int socket, const void *bytes, size_t size);
// Sends several pieces with one call; see clinux_send_stream.
ssize_t clinux_send_stream_vector(int socket, struct iovec *parts, int count);
/// Sends FIN after what was sent.
int clinux_finish_sending(int socket);

struct clinux_interface {
    char name[16];
    struct clinux_address address;
    bool is_up;
    bool is_loopback;
};
/// Fills in up to `capacity` addresses of the system's interfaces.
int clinux_interfaces(struct clinux_interface *interfaces, int capacity);

/// Asks the system's resolver for a host's addresses, which may take long: how many were filled in, or the negative of
/// an EAI_ code.
int clinux_resolve(const char *host, struct clinux_address *addresses, int capacity);
