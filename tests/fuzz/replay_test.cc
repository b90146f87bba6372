// Every input that is kept in tests/corpus, through the entries that fuzzing feeds: seeds, and what once went wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/targets/target.h"

namespace quadlane::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> inputs_of(const Target& target) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(fs::path(QUADLANE_REPOSITORY) / "tests" / "corpus" / target.name))
    found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<uint8_t> bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Replay : public ::testing::TestWithParam<const Target*> {};

TEST_P(Replay, NothingGoesWrong) {
  const Target& target = *GetParam();
  const auto inputs = inputs_of(target);
  ASSERT_FALSE(inputs.empty());
  for (const fs::path& path : inputs) {
    SCOPED_TRACE(path.filename().string());
    EXPECT_EQ(target.run(bytes_of(path)), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay, ::testing::ValuesIn(kTargets),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace quadlane::fuzz
