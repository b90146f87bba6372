// What an appliance may forbid, for the process that calls it and everything it starts.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace quadlane::testing {

// Memory that was writable never becomes executable (PR_SET_MDWE); false where the kernel does not know it
// (before 6.3).
inline bool refuse_exec_gain() {
#ifdef PR_SET_MDWE
  return prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0;
#else
  constexpr int kSetMdwe = 65, kRefuseExecGain = 1;
  return prctl(kSetMdwe, kRefuseExecGain, 0, 0, 0) == 0;
#endif
}

// Of all threads of the process, those to come included.
inline bool install_filter(const sock_fprog& filter) {
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0;
}

// Refuses executable anonymous memory, making memory executable, memfd_create, execve and sockets.
inline bool filter_calls() {
  auto call_is = [](uint32_t number, uint8_t skip) {
    return sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, skip);
  };
  auto load = [](size_t offset) {
    return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  };
  auto has = [](uint32_t bits, uint8_t skip) {
    return sock_filter BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, skip);
  };
  const sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  const sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const auto argument = [](int i) { return offsetof(seccomp_data, args) + 8 * static_cast<size_t>(i); };
  sock_filter program[] = {load(offsetof(seccomp_data, nr)),
                           call_is(SYS_memfd_create, 1),
                           refuse,
                           call_is(SYS_execve, 1),
                           refuse,
                           call_is(SYS_socket, 1),
                           refuse,
                           call_is(SYS_mprotect, 4),
                           load(argument(2)),
                           has(PROT_EXEC, 1),
                           refuse,
                           allow,
                           call_is(SYS_mmap, 6),
                           load(argument(2)),
                           has(PROT_EXEC, 3),
                           load(argument(3)),
                           has(MAP_ANONYMOUS, 1),
                           refuse,
                           allow,
                           allow};
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  return install_filter(filter);
}

}  // namespace quadlane::testing
