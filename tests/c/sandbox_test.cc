// The runtime where the system allows little: no executable memory but a file's, no system calls while it runs.
#include "tests/c/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <fstream>

#include "engine/c/quadlane.h"
#include "tests/c/small_plan.h"

namespace quadlane {
namespace {

// The exit code of `body` in a process of its own, or 128 and the signal that ended it.
template <class Body>
int in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    syscall(SYS_exit, 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A sanitizer makes system calls of its own, and keeps memory that was freed.
#ifdef QL_SANITIZED
#define QL_SKIP_WHERE_SANITIZED() GTEST_SKIP() << "the sanitizer's own calls and memory would be counted"
#else
#define QL_SKIP_WHERE_SANITIZED() (void)0
#endif

[[noreturn]] void leave(int code) {
  syscall(SYS_exit, code);
  __builtin_unreachable();
}

// Any call but exit ends the process; with `waking` those may be made that wake threads and wait for them.
bool forbid_calls(bool waking = false) {
  const auto also = waking ? std::array<uint32_t, 3>{SYS_exit, SYS_futex, SYS_sched_yield}
                           : std::array<uint32_t, 3>{SYS_exit, SYS_exit, SYS_exit};
  sock_filter program[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, also[0], 2, 0),
                           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, also[1], 1, 0),
                           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, also[2], 0, 1),
                           BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                           BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
  return testing::install_filter({static_cast<unsigned short>(std::size(program)), program});
}

struct Buffers {
  std::vector<float> in = std::vector<float>(3 * 16 * 16, 0.5f), out = std::vector<float>(4 * 8 * 8);
};

ql_stream* open(const std::string& path, Buffers& b, ql_plan*& plan, int threads = 1) {
  ql_stream* stream = nullptr;
  ql_stream_options options = QL_STREAM_OPTIONS_INIT;
  options.threads = threads;
  if (ql_plan_open(path.c_str(), nullptr, &plan, nullptr) || ql_stream_open(plan, &options, &stream, nullptr))
    return nullptr;
  ql_stream_bind_input(stream, 0, b.in.data(), b.in.size() * 4, nullptr);
  ql_stream_bind_output(stream, 0, b.out.data(), b.out.size() * 4, nullptr);
  return stream;
}

TEST(Sandbox, CodeOfAFileRunsWhereNoMemoryBecomesExecutable) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the sanitizer waits for itself in a child that may map nothing";
#endif
  if (!detect_cpu().runs(Isa::avx2)) GTEST_SKIP() << "this machine runs no generated code";
  const testing::SmallPlan file;
  Buffers want;
  ql_plan* plan = nullptr;
  ql_stream* stream = open(file.path, want, plan);
  ASSERT_NE(stream, nullptr);
  ASSERT_EQ(ql_stream_run(stream, nullptr, nullptr), QL_OK);
  const int code = in_child([&] {
    (void)testing::refuse_exec_gain();
    if (!testing::filter_calls()) leave(77);
    if (mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) leave(78);
    Buffers got;
    ql_plan* own = nullptr;
    ql_stream* s = open(file.path, got, own);
    if (!s || std::strcmp(ql_plan_way(own), "mapped from the plan file") != 0) leave(2);
    if (ql_stream_run(s, nullptr, nullptr) != QL_OK) leave(3);
    leave(got.out == want.out ? 0 : 4);
  });
  if (code == 77) GTEST_SKIP() << "this system allows no seccomp filter";
  EXPECT_EQ(code, 0);
  ql_stream_close(stream);
  ql_plan_close(plan);
}

TEST(Sandbox, ARunMakesNoSystemCall) {
  QL_SKIP_WHERE_SANITIZED();
  const testing::SmallPlan file;
  const int code = in_child([&] {
    Buffers b;
    ql_plan* plan = nullptr;
    ql_stream* s = open(file.path, b, plan);
    if (!s || ql_stream_run(s, nullptr, nullptr) != QL_OK) leave(2);
    ql_run_options patient = QL_RUN_OPTIONS_INIT;
    patient.timeout_seconds = 100;
    if (!forbid_calls()) leave(77);
    for (int r = 0; r < 10; ++r)
      if (ql_stream_run(s, r % 2 ? &patient : nullptr, nullptr) != QL_OK) leave(3);
    leave(0);
  });
  if (code == 77) GTEST_SKIP() << "this system allows no seccomp";
  EXPECT_EQ(code, 0) << "159: a system call was made";
}

TEST(Sandbox, ARunOfTwoThreadsOnlyWakesThreads) {
  QL_SKIP_WHERE_SANITIZED();
  const testing::SmallPlan file;
  const int code = in_child([&] {
    Buffers b;
    ql_plan* plan = nullptr;
    ql_stream* s = open(file.path, b, plan, 2);
    if (!s) leave(2);
    for (int r = 0; r < 50; ++r)
      if (ql_stream_run(s, nullptr, nullptr) != QL_OK) leave(2);
    if (!forbid_calls(true)) leave(77);
    for (int r = 0; r < 1000; ++r)
      if (ql_stream_run(s, nullptr, nullptr) != QL_OK) leave(3);
    leave(0);
  });
  if (code == 77) GTEST_SKIP() << "this system allows no seccomp";
  EXPECT_EQ(code, 0) << "159: a system call was made";
}

long resident_pages() {
  long size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident;
}

TEST(Sandbox, TenThousandCyclesDoNotGrow) {
  QL_SKIP_WHERE_SANITIZED();
  const testing::SmallPlan file;
  Buffers b;
  long before = 0;
  for (int i = 0; i < 10000; ++i) {
    ql_plan* plan = nullptr;
    ql_stream* stream = open(file.path, b, plan);
    ASSERT_NE(stream, nullptr) << "cycle " << i;
    ASSERT_EQ(ql_stream_run(stream, nullptr, nullptr), QL_OK);
    ql_stream_close(stream);
    ql_plan_close(plan);
    if (i == 100) before = resident_pages();
  }
  EXPECT_LE(resident_pages(), before + 64) << "pages";
  const int next = ::open("/dev/null", O_RDONLY);
  EXPECT_LT(next, 64) << "files were left open";
  ::close(next);
}

// With QUADLANE_SANDBOX=1 all tests of the program run where no memory becomes executable (ctest runs the plans' so).
struct SandboxAll final : ::testing::Environment {
  void SetUp() override {
    if (!std::getenv("QUADLANE_SANDBOX")) return;
    const bool exec_gain = testing::refuse_exec_gain(), filter = testing::filter_calls();
    std::printf("PR_SET_MDWE: %s; seccomp filter: %s\n", exec_gain ? "on" : "this kernel has none",
                filter ? "on" : "not allowed here");
  }
};
const auto* const kSandboxAll = ::testing::AddGlobalTestEnvironment(new SandboxAll);

}  // namespace
}  // namespace quadlane
