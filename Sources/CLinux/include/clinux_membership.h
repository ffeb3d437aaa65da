#pragma once
#include "clinux_address.h"

/// Lets `socket` hear what is sent to `group` on the interface that has the address `interface`; an unspecified one
/// leaves the choice to the kernel. The membership ends with the socket.
int clinux_join_group(int socket, const struct clinux_address *group, const struct clinux_address *interface);
