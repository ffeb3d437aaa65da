#pragma once
#include <stdint.h>
/// Makes `gettimeofday` tell this time, in microseconds since 1970, to the calling thread; 0 gives the real time back.
///
/// OpenSSL times DTLS retransmissions by that function. A C file defines it because Swift's symbols are not visible
/// to shared libraries.
void test_clock_set(uint64_t microseconds);
