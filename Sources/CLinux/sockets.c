#define _GNU_SOURCE
#include "clinux_sockets.h"

#include <endian.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "address.h"

void clinux_to_in6(const struct clinux_address *address, struct in6_addr *to) {
    uint64_t words[2] = {htobe64(address->high), htobe64(address->low)};
    memcpy(to, words, sizeof words);
}

void clinux_from_in6(const struct in6_addr *from, struct clinux_address *address) {
    uint64_t words[2];
    memcpy(words, from, sizeof words);
    address->high = be64toh(words[0]);
    address->low = be64toh(words[1]);
    address->is_ipv6 = true;
}

socklen_t clinux_to_sockaddr(const struct clinux_address *address, struct sockaddr_storage *storage) {
    if (address->is_ipv6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)storage;
        memset(six, 0, sizeof *six);
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(address->port);
        clinux_to_in6(address, &six->sin6_addr);
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)storage;
    memset(four, 0, sizeof *four);
    four->sin_family = AF_INET;
    four->sin_port = htons(address->port);
    four->sin_addr.s_addr = htonl((uint32_t)address->low);
    return sizeof *four;
}

void clinux_from_sockaddr(const struct sockaddr_storage *storage, struct clinux_address *address) {
    if (storage->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)storage;
        clinux_from_in6(&six->sin6_addr, address);
        address->port = ntohs(six->sin6_port);
        return;
    }
    const struct sockaddr_in *four = (const struct sockaddr_in *)storage;
    address->high = 0;
    address->low = ntohl(four->sin_addr.s_addr);
    address->port = ntohs(four->sin_port);
    address->is_ipv6 = false;
}

static int set_option(int socket, int level, int option, int value) {
    return setsockopt(socket, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

int clinux_socket(bool is_ipv6, bool is_stream) {
    int type = is_stream ? SOCK_STREAM : SOCK_DGRAM;
    int descriptor = socket(is_ipv6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    if (is_ipv6) {
        int status = set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        if (status < 0) {
            close(descriptor);
            return status;
        }
    }
    return descriptor;
}

int clinux_bind(int socket, const struct clinux_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = clinux_to_sockaddr(address, &storage);
    return bind(socket, (struct sockaddr *)&storage, length) < 0 ? -errno : 0;
}

int clinux_listen(int socket, int backlog) { return listen(socket, backlog) < 0 ? -errno : 0; }

int clinux_accept(int listener, struct clinux_address *remote) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    int descriptor = accept4(listener, (struct sockaddr *)&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return -errno;
    clinux_from_sockaddr(&storage, remote);
    return descriptor;
}

int clinux_connect(int socket, const struct clinux_address *remote) {
    struct sockaddr_storage storage;
    socklen_t length = clinux_to_sockaddr(remote, &storage);
    return connect(socket, (struct sockaddr *)&storage, length) < 0 ? -errno : 0;
}

int clinux_local_address(int socket, struct clinux_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(socket, (struct sockaddr *)&storage, &length) < 0) return -errno;
    clinux_from_sockaddr(&storage, address);
    return 0;
}

int clinux_take_socket_error(int socket) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

int clinux_set_no_delay(int socket) { return set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1); }

int clinux_set_user_timeout(int socket, int milliseconds) {
    return set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, milliseconds);
}
int clinux_set_reuse_address(int socket) { return set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1); }

static int set_buffer(int socket, int size, int forced, int plain) {
    if (set_option(socket, SOL_SOCKET, forced, size) < 0) {
        int status = set_option(socket, SOL_SOCKET, plain, size);
        if (status < 0) return status;
    }
    int granted = 0;
    socklen_t length = sizeof granted;
    if (getsockopt(socket, SOL_SOCKET, plain, &granted, &length) < 0) return -errno;
    // The kernel doubles what it was asked for, to pay for its bookkeeping.
    return granted / 2;
}

int clinux_set_receive_buffer(int socket, int size) {
    return set_buffer(socket, size, SO_RCVBUFFORCE, SO_RCVBUF);
}
int clinux_set_send_buffer(int socket, int size) { return set_buffer(socket, size, SO_SNDBUFFORCE, SO_SNDBUF); }

ssize_t clinux_receive_stream(int socket, void *bytes, size_t size) {
    ssize_t count = recv(socket, bytes, size, 0);
    return count < 0 ? -errno : count;
}

ssize_t clinux_send_stream(int socket, const void *bytes, size_t size) {
    ssize_t sent = send(socket, bytes, size, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

ssize_t clinux_send_stream_vector(int socket, struct iovec *parts, int count) {
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

int clinux_finish_sending(int socket) { return shutdown(socket, SHUT_WR) < 0 ? -errno : 0; }

int clinux_interfaces(struct clinux_interface *interfaces, int capacity) {
    struct ifaddrs *all;
    if (getifaddrs(&all) < 0) return -errno;
    int count = 0;
    for (struct ifaddrs *one = all; one && count < capacity; one = one->ifa_next) {
        if (!one->ifa_addr) continue;
        if (one->ifa_addr->sa_family != AF_INET && one->ifa_addr->sa_family != AF_INET6) continue;
        struct clinux_interface *into = &interfaces[count++];
        memset(into, 0, sizeof *into);
        strncpy(into->name, one->ifa_name, sizeof into->name - 1);
        clinux_from_sockaddr((const struct sockaddr_storage *)one->ifa_addr, &into->address);
        into->is_up = one->ifa_flags & IFF_UP;
        into->is_loopback = one->ifa_flags & IFF_LOOPBACK;
    }
    freeifaddrs(all);
    return count;
}

int clinux_resolve(const char *host, struct clinux_address *addresses, int capacity) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *found = NULL;
    int status = getaddrinfo(host, NULL, &hints, &found);
    if (status != 0) return status > 0 ? -status : status;
    int count = 0;
    for (const struct addrinfo *entry = found; entry && count < capacity; entry = entry->ai_next) {
        if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
        struct sockaddr_storage storage = {0};
        memcpy(&storage, entry->ai_addr, entry->ai_addrlen);
        clinux_from_sockaddr(&storage, &addresses[count++]);
    }
    freeaddrinfo(found);
    return count;
}
