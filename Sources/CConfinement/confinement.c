#define _GNU_SOURCE
#include "CConfinement.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

static int limit(int resource, size_t value) {
    struct rlimit limits = {value, value};
    return setrlimit(resource, &limits) == 0 ? 0 : errno;
}

#ifdef NATIVE_ARCHITECTURE
#define ALLOW(name) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int filterSystemCalls(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        // The messages, and what is said on standard error.
        ALLOW(recvfrom), ALLOW(sendto), ALLOW(write), ALLOW(writev), ALLOW(read), ALLOW(close), ALLOW(fstat),
#ifdef SYS_newfstatat
        ALLOW(newfstatat),
#endif
        // Memory.
        ALLOW(brk), ALLOW(mmap), ALLOW(munmap), ALLOW(mremap), ALLOW(mprotect), ALLOW(madvise),
        // Locks, clocks and the watchdog.
        ALLOW(futex), ALLOW(clock_gettime), ALLOW(gettimeofday), ALLOW(setitimer),
#ifdef SYS_alarm
        ALLOW(alarm),
#endif
        ALLOW(getrandom), ALLOW(sched_yield), ALLOW(restart_syscall),
        // The end, in order and by abort().
        ALLOW(rt_sigreturn), ALLOW(rt_sigprocmask), ALLOW(rt_sigaction), ALLOW(sigaltstack), ALLOW(getpid), ALLOW(gettid),
        ALLOW(exit), ALLOW(exit_group),
        // abort() signals this process; others of the same user are out of reach.
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)getpid(), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? 0 : errno;
}
#else
static int filterSystemCalls(void) { return 0; }
#endif

/// Closes `first` to `last`; one by one where the kernel or a container does not know how to close many.
static int closeFrom(unsigned first, unsigned last) {
    if (first > last || close_range(first, last, 0) == 0) return 0;
    if (errno != ENOSYS && errno != EPERM) return errno;
    for (unsigned number = first; number <= last && number < 4096; number++) close((int)number);
    return 0;
}

int CConfinement_confine(int descriptor, size_t address_space, const char **step) {
    int failed = 0;
    *step = "closing descriptors";
    if (descriptor > 3 && (failed = closeFrom(3, (unsigned)descriptor - 1))) return failed;
    if ((failed = closeFrom((unsigned)(descriptor < 3 ? 3 : descriptor + 1), ~0U))) return failed;
    *step = "limits";
    if ((failed = limit(RLIMIT_CORE, 0))) return failed;
    if ((failed = limit(RLIMIT_FSIZE, 0))) return failed;
    if ((failed = limit(RLIMIT_NPROC, 0))) return failed;
    if ((failed = limit(RLIMIT_AS, address_space))) return failed;
    if ((failed = limit(RLIMIT_NOFILE, (size_t)(descriptor < 3 ? 3 : descriptor + 1)))) return failed;
    *step = "privileges";
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return errno;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    *step = "the filter of system calls";
    return filterSystemCalls();
}
