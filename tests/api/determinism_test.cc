// The same bytes however a network is run: a part of the matrix, bench/determinism runs all of it.
#include "tests/support/determinism.h"

#include <gtest/gtest.h>

#include <iostream>

namespace quadlane::testing {
namespace {

void expect_same(const DeterminismCase& network) {
  DeterminismCount count;
  EXPECT_EQ(check_determinism(network, {.threads = {1, 2, 5}, .streams = {1, 3}, .repeats = 3}, count), "");
  std::cout << count.combinations << " combinations, " << count.inferences << " inferences\n";
  EXPECT_GT(count.inferences, 0);
}

TEST(Determinism, DenseInt8) { expect_same(random_case(1, false, true)); }
TEST(Determinism, ResidualInt8) { expect_same(random_case(2, true, true)); }
TEST(Determinism, DenseF32) { expect_same(random_case(3, false, false)); }

}  // namespace
}  // namespace quadlane::testing
