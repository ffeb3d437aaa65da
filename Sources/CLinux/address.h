#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include "clinux_address.h"

socklen_t clinux_to_sockaddr(const struct clinux_address *address, struct sockaddr_storage *storage);
void clinux_from_sockaddr(const struct sockaddr_storage *storage, struct clinux_address *address);
void clinux_from_in6(const struct in6_addr *from, struct clinux_address *address);
void clinux_to_in6(const struct clinux_address *address, struct in6_addr *to);
