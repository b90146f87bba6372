// The demo in a small form: the whole chain on a small phantom exam.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/tools/scratch.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

TEST(Demo, QuickForm) {
  if (std::system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0)
    GTEST_SKIP() << "python3-numpy is not installed";
  Scratch scratch;
  std::string command =
      std::string("QUADLANE_COMMAND=" QUADLANE_COMMAND " " QUADLANE_REPOSITORY "/tools/demo --quick --output ") +
      scratch.path("demo") + " >" + scratch.path("log") + " 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0) << *read_file(scratch.path("log"));
  auto results = nlohmann::json::parse(*read_file(scratch.path("demo/results.json")));
  EXPECT_GT(results["speed"]["int8.1"]["images_per_s"], 0);
  EXPECT_GT(results["accuracy"]["dice_f32"], 0.5);
  EXPECT_LT(std::abs(results["accuracy"]["dice_difference"].get<double>()), 0.01);
  EXPECT_EQ(results["exam"]["phases"].size(), 4u);
  EXPECT_TRUE(exists(scratch.path("demo/exam/compare.png")));
}

}  // namespace
}  // namespace quadlane::tools
