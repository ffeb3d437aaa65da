#pragma once
#include <stdbool.h>
#include <stdint.h>

/// An IP address and port in host order; an IPv4 address is in the low 32 bits of `low`.
struct clinux_address {
    uint64_t high;
    uint64_t low;
    uint16_t port;
    bool is_ipv6;
};
