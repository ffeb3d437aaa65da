#pragma once
#include <stddef.h>
#include <stdint.h>

#include "clinux_address.h"

/// Makes the kernel report each datagram's local address.
int clinux_udp_report_local_address(int socket, bool is_ipv6);
/// Lets the kernel hand over runs of datagrams as one (UDP GRO); a negative errno where it cannot.
int clinux_udp_enable_gro(int socket);
/// How many routers datagrams to multicast groups may pass.
int clinux_udp_set_multicast_ttl(int socket, bool is_ipv6, int hops);
/// 0 when the kernel knows UDP GSO.
int clinux_udp_probe_gso(int socket);

/// A received message: one datagram, or with GRO a run of them, each `segment` long but the last, which may be shorter.
struct clinux_received {
    uint8_t *bytes;
    uint32_t length;
    uint32_t segment;
    struct clinux_address remote;
    struct clinux_address local;
};

struct clinux_receive_queue;
/// NULL when memory is short.
struct clinux_receive_queue *clinux_receive_queue_create(int messages, size_t size);
void clinux_receive_queue_destroy(struct clinux_receive_queue *queue);
/// Reads what has come without waiting: the number of messages or a negative errno.
int clinux_receive_queue_fill(struct clinux_receive_queue *queue, int socket);
const struct clinux_received *clinux_receive_queue_at(const struct clinux_receive_queue *queue, int index);

struct clinux_send_queue;
struct clinux_send_queue *clinux_send_queue_create(int messages);
void clinux_send_queue_destroy(struct clinux_send_queue *queue);
/// Sets message `index`. `local` may be NULL; a `segment` above 0 lets the kernel cut the bytes into datagrams of that
/// size.
void clinux_send_queue_set(
    struct clinux_send_queue *queue, int index, const struct clinux_address *remote, const struct clinux_address *local,
    const void *bytes, size_t length, uint16_t segment);
/// Sends from message `first` on: the number of messages taken or a negative errno that concerns message `first`.
int clinux_send_queue_send(struct clinux_send_queue *queue, int socket, int first, int count);
/// Sends one datagram at once: 0 or a negative errno.
int clinux_send_datagram(
    int socket, const struct clinux_address *remote, const struct clinux_address *local, const void *bytes,
    size_t length);
