// The library as a file, and as it is installed.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <set>
#include <sstream>

#include "tests/c/small_plan.h"

namespace quadlane {
namespace {

struct Outcome {
  int code;
  std::string text;
};
Outcome shell(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  Outcome result{-1, {}};
  std::array<char, 4096> buffer;
  while (size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) result.text.append(buffer.data(), n);
  result.code = pclose(pipe);
  return result;
}
bool have(const std::string& program) { return shell("command -v " + program).code == 0; }

const std::string kLibrary = QUADLANE_RUNTIME_LIBRARY;

TEST(Library, NeedsNothingButTheSystemAndTbb) {
  if (!have("readelf")) GTEST_SKIP() << "no readelf";
  const std::set<std::string> allowed = {"libc.so.6",     "libm.so.6",    "libstdc++.so.6",
                                         "libgcc_s.so.1", "libtbb.so.12", "ld-linux-x86-64.so.2"};
  std::istringstream lines(shell("readelf -d " + kLibrary).text);
  int needed = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("(NEEDED)") == std::string::npos) continue;
    const size_t begin = line.find('[') + 1;
    const std::string name = line.substr(begin, line.find(']') - begin);
    const bool sanitizer = name.find("san.so") != std::string::npos;
    EXPECT_TRUE(allowed.count(name) || sanitizer) << name;
    ++needed;
  }
  EXPECT_GT(needed, 0);
}

TEST(Library, ExportsTheApiAlone) {
  if (!have("nm")) GTEST_SKIP() << "no nm";
  std::istringstream lines(shell("nm -D --defined-only " + kLibrary).text);
  int symbols = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(line.rfind(' ') + 1);
    EXPECT_TRUE(name.rfind("ql_", 0) == 0 || name.rfind("QUADLANE_", 0) == 0) << name;
    ++symbols;
  }
  EXPECT_GT(symbols, 15);
}

TEST(Library, IsSmall) {
  if (!have("strip") || std::string(QUADLANE_BUILD_TYPE) != "Release") GTEST_SKIP() << "no strip, or no release build";
  const testing::SmallPlan scratch;
  const std::string stripped = scratch.file("stripped.so");
  ASSERT_EQ(shell("strip -o " + stripped + " " + kLibrary).code, 0);
  const auto bytes = std::filesystem::file_size(stripped);
  std::printf("libquadlane_runtime stripped: %.3f MB\n", static_cast<double>(bytes) * 1e-6);
  EXPECT_LE(bytes, 1200000u);
}

// A user's view: install, then pkg-config, then CMake.
TEST(Library, TheExampleRunsFromTheInstalledTree) {
  if (!have("cmake") || !have("cc")) GTEST_SKIP() << "no cmake, or no C compiler";
  if (std::string(QUADLANE_BUILD_TYPE) != "Release") GTEST_SKIP() << "release builds only";
  const testing::SmallPlan plan;
  const std::string root = plan.file("root");
  const Outcome installed =
      shell(std::string("cmake --install ") + QUADLANE_BUILD + " --component runtime --prefix " + root);
  ASSERT_EQ(installed.code, 0) << installed.text;
  const std::string lib = shell("dirname $(find " + root + " -name libquadlane_runtime.so)").text;
  const std::string at = lib.substr(0, lib.find('\n')), run = "LD_LIBRARY_PATH=" + at + " ";
  const std::string example = shell("find " + root + " -name example.c").text,
                    source = example.substr(0, example.find('\n'));
  ASSERT_FALSE(source.empty());
  for (const char* file : {"quadlane.spdx", "THIRD_PARTY.md", "LICENSE"})
    EXPECT_NE(shell("find " + root + " -name " + file).text, "") << file;
  const Outcome built = shell("cc -Wall -Werror " + source + " -I" + root + "/include -L" + at +
                              " -lquadlane_runtime -o " + plan.file("by_hand"));
  ASSERT_EQ(built.code, 0) << built.text;
  const Outcome ran = shell(run + plan.file("by_hand") + " " + plan.path);
  EXPECT_EQ(ran.code, 0) << ran.text;
  EXPECT_NE(ran.text.find("output p of 1024 bytes"), std::string::npos) << ran.text;

  std::ofstream(plan.file("CMakeLists.txt")) << "cmake_minimum_required(VERSION 3.20)\nproject(user C)\n"
                                                "find_package(Quadlane REQUIRED)\nadd_executable(user "
                                             << source << ")\ntarget_link_libraries(user Quadlane::quadlane_runtime)\n";
  const std::string build = plan.file("build");
  const Outcome made = shell("cmake -S " + std::filesystem::path(plan.path).parent_path().string() + " -B " + build +
                             " -DCMAKE_PREFIX_PATH=" + root + " && cmake --build " + build);
  ASSERT_EQ(made.code, 0) << made.text;
  EXPECT_EQ(shell(build + "/user " + plan.path).code, 0);
  if (!have("pkg-config")) return;
  const Outcome flags = shell("PKG_CONFIG_PATH=" + at + "/pkgconfig pkg-config --cflags --libs quadlane");
  EXPECT_NE(flags.text.find("-lquadlane_runtime"), std::string::npos) << flags.text;
}

}  // namespace
}  // namespace quadlane
