#define _GNU_SOURCE
#include "clinux_membership.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"

static bool is_same_host(const struct clinux_address *left, const struct clinux_address *right) {
    return left->is_ipv6 == right->is_ipv6 && left->high == right->high && left->low == right->low;
}

// 0, which means any, when no interface has the address.
static unsigned interface_index(const struct clinux_address *address) {
    struct ifaddrs *all;
    if ((address->high | address->low) == 0 || getifaddrs(&all) < 0) return 0;
    unsigned index = 0;
    for (struct ifaddrs *one = all; one && !index; one = one->ifa_next) {
        if (!one->ifa_addr) continue;
        if (one->ifa_addr->sa_family != AF_INET && one->ifa_addr->sa_family != AF_INET6) continue;
        struct clinux_address found;
        clinux_from_sockaddr((const struct sockaddr_storage *)one->ifa_addr, &found);
        if (is_same_host(&found, address)) index = if_nametoindex(one->ifa_name);
    }
    freeifaddrs(all);
    return index;
}

int clinux_join_group(int socket, const struct clinux_address *group, const struct clinux_address *interface) {
    struct group_req request;
    memset(&request, 0, sizeof request);
    request.gr_interface = interface_index(interface);
    clinux_to_sockaddr(group, &request.gr_group);
    int level = group->is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    return setsockopt(socket, level, MCAST_JOIN_GROUP, &request, sizeof request) < 0 ? -errno : 0;
}
