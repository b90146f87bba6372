// The operator table of the documentation is what the code says.
#include <gtest/gtest.h>

#include "tests/tools/command.h"

namespace quadlane::tools {
namespace {

TEST(Operators, TheDocumentIsWhatTheCodeSays) {
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "without AVX2 there are no kernels to list";
  Scratch scratch;
  CommandResult made = quadlane(scratch, "inspect --operators");
  ASSERT_EQ(made.code, 0) << made.err;
  auto committed = read_file(std::string(QUADLANE_REPOSITORY) + "/ops/OPERATORS.md");
  ASSERT_TRUE(committed.ok());
  EXPECT_TRUE(made.out == *committed) << "ops/OPERATORS.md is out of date, write it anew: build/release/quadlane "
                                         "inspect --operators > ops/OPERATORS.md";
  EXPECT_EQ(made.out.find("| - |"), std::string::npos) << "an operator has no sample in tools/cli/operator_samples.cc";
}

}  // namespace
}  // namespace quadlane::tools
