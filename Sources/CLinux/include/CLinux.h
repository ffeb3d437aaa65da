#pragma once
// No _GNU_SOURCE here: it changes fd_set and friends and collides with the Glibc module in debug builds.
// What needs it (recvmmsg, sendmmsg, accept4) is wrapped in shim.c.
#include <sys/epoll.h>
#include <sys/eventfd.h>
