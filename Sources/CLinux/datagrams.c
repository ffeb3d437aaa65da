#define _GNU_SOURCE
#include "clinux_datagrams.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "address.h"

#define MARTLET_UDP_SEGMENT 103
#define MARTLET_UDP_GRO 104

static int set_option(int socket, int level, int option, int value) {
    return setsockopt(socket, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

int clinux_udp_set_multicast_ttl(int socket, bool is_ipv6, int hops) {
    return is_ipv6 ? set_option(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops)
                   : set_option(socket, IPPROTO_IP, IP_MULTICAST_TTL, hops);
}

int clinux_udp_report_local_address(int socket, bool is_ipv6) {
    return is_ipv6 ? set_option(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                   : set_option(socket, IPPROTO_IP, IP_PKTINFO, 1);
}
int clinux_udp_enable_gro(int socket) { return set_option(socket, IPPROTO_UDP, MARTLET_UDP_GRO, 1); }
int clinux_udp_probe_gso(int socket) { return set_option(socket, IPPROTO_UDP, MARTLET_UDP_SEGMENT, 0); }

// MARK: Receiving

union receive_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
};

struct clinux_receive_queue {
    int capacity;
    size_t size;
    uint8_t *pool;
    struct mmsghdr *messages;
    struct iovec *parts;
    struct sockaddr_storage *addresses;
    union receive_control *controls;
    struct clinux_received *received;
};

struct clinux_receive_queue *clinux_receive_queue_create(int capacity, size_t size) {
    struct clinux_receive_queue *queue = calloc(1, sizeof *queue);
    if (!queue) return NULL;
    queue->capacity = capacity;
    queue->size = size;
    size_t count = (size_t)capacity;
    // Mapped rather than allocated: pages that no datagram reaches cost nothing.
    queue->pool = mmap(NULL, count * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (queue->pool == MAP_FAILED) queue->pool = NULL;
    queue->messages = calloc(count, sizeof *queue->messages);
    queue->parts = calloc(count, sizeof *queue->parts);
    queue->addresses = calloc(count, sizeof *queue->addresses);
    queue->controls = calloc(count, sizeof *queue->controls);
    queue->received = calloc(count, sizeof *queue->received);
    if (!queue->pool || !queue->messages || !queue->parts || !queue->addresses || !queue->controls
        || !queue->received) {
        clinux_receive_queue_destroy(queue);
        return NULL;
    }
    for (int index = 0; index < capacity; index++) {
        struct msghdr *header = &queue->messages[index].msg_hdr;
        queue->received[index].bytes = queue->pool + size * (size_t)index;
        queue->parts[index] = (struct iovec){.iov_base = queue->received[index].bytes, .iov_len = size};
        header->msg_iov = &queue->parts[index];
        header->msg_iovlen = 1;
        header->msg_name = &queue->addresses[index];
        header->msg_control = &queue->controls[index];
        header->msg_namelen = sizeof queue->addresses[index];
        header->msg_controllen = sizeof queue->controls[index];
    }
    return queue;
}

void clinux_receive_queue_destroy(struct clinux_receive_queue *queue) {
    if (!queue) return;
    if (queue->pool) munmap(queue->pool, queue->size * (size_t)queue->capacity);
    free(queue->messages);
    free(queue->parts);
    free(queue->addresses);
    free(queue->controls);
    free(queue->received);
    free(queue);
}

static void read_control(struct msghdr *header, struct clinux_received *received) {
    for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item; item = CMSG_NXTHDR(header, item)) {
        if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(item), sizeof info);
            received->local.low = ntohl(info.ipi_addr.s_addr);
        } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(item), sizeof info);
            clinux_from_in6(&info.ipi6_addr, &received->local);
        } else if (item->cmsg_level == IPPROTO_UDP && item->cmsg_type == MARTLET_UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(item), sizeof segment);
            if (segment > 0) received->segment = (uint32_t)segment;
        }
    }
}

int clinux_receive_queue_fill(struct clinux_receive_queue *queue, int socket) {
    int count = recvmmsg(socket, queue->messages, (unsigned)queue->capacity, MSG_DONTWAIT, NULL);
    if (count < 0) return -errno;
    for (int index = 0; index < count; index++) {
        struct msghdr *header = &queue->messages[index].msg_hdr;
        struct clinux_received *received = &queue->received[index];
        // A datagram cut short is of no use: it shows as empty.
        received->length = header->msg_flags & MSG_TRUNC ? 0 : queue->messages[index].msg_len;
        received->segment = received->length;
        clinux_from_sockaddr(&queue->addresses[index], &received->remote);
        received->local = (struct clinux_address){.is_ipv6 = received->remote.is_ipv6};
        read_control(header, received);
        header->msg_namelen = sizeof queue->addresses[index];
        header->msg_controllen = sizeof queue->controls[index];
        header->msg_flags = 0;
    }
    return count;
}

const struct clinux_received *clinux_receive_queue_at(const struct clinux_receive_queue *queue, int index) {
    return &queue->received[index];
}

// MARK: Sending

union send_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
};

struct clinux_send_queue {
    struct mmsghdr *messages;
    struct iovec *parts;
    struct sockaddr_storage *addresses;
    union send_control *controls;
};

struct clinux_send_queue *clinux_send_queue_create(int capacity) {
    struct clinux_send_queue *queue = calloc(1, sizeof *queue);
    if (!queue) return NULL;
    size_t count = (size_t)capacity;
    queue->messages = calloc(count, sizeof *queue->messages);
    queue->parts = calloc(count, sizeof *queue->parts);
    queue->addresses = calloc(count, sizeof *queue->addresses);
    queue->controls = calloc(count, sizeof *queue->controls);
    if (!queue->messages || !queue->parts || !queue->addresses || !queue->controls) {
        clinux_send_queue_destroy(queue);
        return NULL;
    }
    return queue;
}

void clinux_send_queue_destroy(struct clinux_send_queue *queue) {
    if (!queue) return;
    free(queue->messages);
    free(queue->parts);
    free(queue->addresses);
    free(queue->controls);
    free(queue);
}

static size_t put_control(char *at, int level, int type, const void *data, size_t size) {
    struct cmsghdr *item = (struct cmsghdr *)at;
    item->cmsg_level = level;
    item->cmsg_type = type;
    item->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(item), data, size);
    return CMSG_SPACE(size);
}

static void set_message(
    struct msghdr *header, struct iovec *part, struct sockaddr_storage *address, union send_control *control,
    const struct clinux_address *remote, const struct clinux_address *local, const void *bytes, size_t length,
    uint16_t segment) {
    *part = (struct iovec){.iov_base = (void *)bytes, .iov_len = length};
    header->msg_iov = part;
    header->msg_iovlen = 1;
    header->msg_name = address;
    header->msg_namelen = clinux_to_sockaddr(remote, address);
    header->msg_flags = 0;
    size_t used = 0;
    if (local && local->is_ipv6) {
        struct in6_pktinfo info = {.ipi6_ifindex = 0};
        clinux_to_in6(local, &info.ipi6_addr);
        used += put_control(control->bytes, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    } else if (local) {
        struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl((uint32_t)local->low)};
        used += put_control(control->bytes, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
    if (segment) {
        used += put_control(control->bytes + used, IPPROTO_UDP, MARTLET_UDP_SEGMENT, &segment, sizeof segment);
    }
    header->msg_control = used ? control : NULL;
    header->msg_controllen = used;
}

void clinux_send_queue_set(
    struct clinux_send_queue *queue, int index, const struct clinux_address *remote, const struct clinux_address *local,
    const void *bytes, size_t length, uint16_t segment) {
    set_message(
        &queue->messages[index].msg_hdr, &queue->parts[index], &queue->addresses[index], &queue->controls[index],
        remote, local, bytes, length, segment);
}

int clinux_send_queue_send(struct clinux_send_queue *queue, int socket, int first, int count) {
    int sent = sendmmsg(socket, queue->messages + first, (unsigned)count, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

int clinux_send_datagram(
    int socket, const struct clinux_address *remote, const struct clinux_address *local, const void *bytes,
    size_t length) {
    struct msghdr header;
    struct iovec part;
    struct sockaddr_storage address;
    union send_control control;
    set_message(&header, &part, &address, &control, remote, local, bytes, length, 0);
    return sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}
