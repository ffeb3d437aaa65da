#pragma once
// No _GNU_SOURCE here: it changes fd_set and friends and collides with the Glibc module in debug builds.
// What needs it (recvmmsg, sendmmsg, accept4, epoll_pwait2) is wrapped in the .c files.
// Wrappers return a result or a negative errno.
#include "clinux_address.h"
#include "clinux_datagrams.h"
#include "clinux_loop.h"
#include "clinux_membership.h"
#include "clinux_process.h"
#include "clinux_signals.h"
#include "clinux_sockets.h"
