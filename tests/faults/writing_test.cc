// Files that are written: killed, interrupted or without room in between, the old file or the new one is there, whole.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "engine/base/file.h"
#include "tests/faults/shim.h"
#include "tools/io/file.h"

namespace quadlane::testing {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBytes = 3 << 20;

struct Writer {
  const char* name;
  int calls;  // that can fail
  Status (*write)(const std::string& path, const std::string& bytes);
};
const Writer kWriters[] = {
    {"loader", 4,
     [](const std::string& path, const std::string& bytes) {
       return write_whole_file(path, std::as_bytes(std::span(bytes)));
     }},
    {"tools", 5, [](const std::string& path, const std::string& bytes) { return tools::write_file(path, bytes); }}};

class Writing : public ::testing::TestWithParam<Writer> {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "quadlane-writing-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    path_ = (folder_ / "file").string();
    ASSERT_TRUE(GetParam().write(path_, old_).ok());
  }
  void TearDown() override { fs::remove_all(folder_); }

  // The process ends with what `body` returns.
  template <class Body>
  static pid_t child(Body body) {
    const pid_t pid = fork();
    if (pid == 0) _exit(body());
    return pid;
  }
  static int outcome(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string found() const { return *tools::read_file(path_); }
  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }

  fs::path folder_;
  std::string path_, old_ = std::string(kBytes, 'o'), new_ = std::string(kBytes + 1, 'n');
};

TEST_P(Writing, WithoutRoomTheOldFileStaysAndNothingElse) {
  EXPECT_EQ(outcome(child([&] {
              std::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit{kBytes / 2, kBytes / 2};
              setrlimit(RLIMIT_FSIZE, &limit);
              Status status = GetParam().write(path_, new_);
              return !status.ok() && status.error().code == Code::io ? 0 : 1;
            })),
            0);
  EXPECT_EQ(found(), old_);
  EXPECT_EQ(files(), 1u);
}

TEST_P(Writing, KilledInBetweenTheFileIsTheOldOneOrTheNewOne) {
  int olds = 0;
  for (int round = 0; round < 30; ++round) {
    const pid_t pid = child([&] {
      for (bool turn = true;; turn = !turn)
        if (!GetParam().write(path_, turn ? new_ : old_).ok()) return 1;
    });
    usleep(static_cast<useconds_t>(1000 + 700 * round));
    kill(pid, SIGKILL);
    EXPECT_EQ(outcome(pid), 128 + SIGKILL);
    const std::string whole = found();
    EXPECT_TRUE(whole == old_ || whole == new_) << whole.size() << " bytes";
    olds += whole == old_;
  }
  std::cout << olds << " times the old file, " << 30 - olds << " times the new one\n";
}

// Open, write, flush, rename, and for tools to find what a link names: each failing once, in its turn.
TEST_P(Writing, WhateverCallFailsTheOldFileStaysAndNothingElse) {
  int calls = 0;
  for (bool struck = true; struck; calls += struck) {
    arm(Fault::file, calls + 1);
    Status status;
    {
      const InLibrary here;
      status = GetParam().write(path_, new_);
    }
    struck = disarm();
    EXPECT_EQ(status.ok(), !struck) << "call " << calls + 1;
    EXPECT_EQ(found() == old_, struck);
    EXPECT_EQ(files(), 1u);
  }
  EXPECT_EQ(calls, GetParam().calls);
}

// A link under the name of a file that is written first must not lead the writing elsewhere.
TEST_P(Writing, LinksInTheWayAreNotFollowed) {
  const std::string elsewhere = (folder_ / "elsewhere").string();
  ASSERT_TRUE(GetParam().write(elsewhere, old_).ok());
  fs::create_symlink(elsewhere, path_ + cat(".partial-", getpid()));
  fs::create_symlink(elsewhere, path_ + ".partial");
  ASSERT_TRUE(GetParam().write(path_, new_).ok());
  EXPECT_EQ(found(), new_);
  EXPECT_EQ(*tools::read_file(elsewhere), old_);
}

TEST_P(Writing, InterruptedBySignalsItGoesOn) {
  EXPECT_EQ(outcome(child([&] {
              struct sigaction action {};
              action.sa_handler = [](int) {};  // without SA_RESTART: calls return with EINTR
              sigaction(SIGALRM, &action, nullptr);
              const itimerval often{{0, 200}, {0, 200}};
              setitimer(ITIMER_REAL, &often, nullptr);
              for (int i = 0; i < 20; ++i)
                if (!GetParam().write(path_, i % 2 ? old_ : new_).ok()) return 1;
              return tools::read_file(path_).ok() ? 0 : 2;
            })),
            0);
  EXPECT_EQ(found(), old_);
  EXPECT_EQ(files(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Of, Writing, ::testing::ValuesIn(kWriters),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace quadlane::testing
