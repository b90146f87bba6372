// ONNX's own backend tests through load_onnx and the interpreter, with a scoreboard by operator. The cases come from
// tools/make_node_tests.py (QUADLANE_NODE_TESTS, default build/node_tests) and from an unpacked release of ONNX
// (conformance/onnx-1.17.0 in QUADLANE_DATA, default data/ in the shared directory).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "ops/table.h"
#include "tests/loader/onnx_case.h"
#include "tests/loader/shared_data.h"

namespace quadlane::testing {
namespace {

namespace fs = std::filesystem;
using Kind = CaseResult::Kind;

// Vectors of ONNX 1.17 that ONNX Runtime does not reproduce either.
const std::map<std::string, const char*> kDisputed = {
    {"test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
     "counts taps behind the padded input"},
    {"test_qlinearmatmul_2D_int8_float16", "wraps where the operator saturates"},
    {"test_qlinearmatmul_2D_int8_float32", "wraps where the operator saturates"},
    {"test_qlinearmatmul_3D_int8_float16", "wraps where the operator saturates"},
    {"test_qlinearmatmul_3D_int8_float32", "wraps where the operator saturates"},
    {"test_resize_downsample_scales_cubic_align_corners", "aligns to an output extent that is not whole"},
    {"test_resize_downsample_scales_linear_align_corners", "aligns to an output extent that is not whole"},
};

struct Score {
  int passed = 0, failed = 0, refused = 0, not_ours = 0;
  std::string example;  // of a refusal

  void count(const CaseResult& r) {
    passed += r.kind == Kind::passed;
    failed += r.kind == Kind::failed;
    refused += r.kind == Kind::refused;
    not_ours += r.kind == Kind::not_ours;
    if (r.kind != Kind::passed && example.empty()) example = r.reason;
  }
};

// Runs every case below `root`; fails for every wrong result.
void run_cases(const fs::path& root) {
  std::vector<fs::path> cases;
  for (const auto& entry : fs::directory_iterator(root))
    if (fs::exists(entry.path() / "model.onnx")) cases.push_back(entry.path());
  std::sort(cases.begin(), cases.end());
  ASSERT_FALSE(cases.empty()) << root << " holds no cases";
  const bool verbose = std::getenv("QUADLANE_VERBOSE") != nullptr;
  std::map<std::string, Score> scores;
  Score total;
  for (const fs::path& path : cases) {
    CaseResult result = run_onnx_case(path, op_table());
    if (kDisputed.count(path.filename().string())) {
      EXPECT_EQ(result.kind, Kind::failed) << path.filename() << " is no longer disputed";
      continue;
    }
    scores[result.op].count(result);
    total.count(result);
    if (result.kind == Kind::failed) ADD_FAILURE() << path.filename().string() << ": " << result.reason;
    if (result.kind == Kind::refused && verbose && op_table().find(result.op))
      std::printf("  refused: %s: %s\n", path.filename().c_str(), result.reason.c_str());
  }
  std::printf("%-28s %6s %6s %12s\n", "operator", "passed", "failed", "unsupported");
  for (const auto& [op, s] : scores)
    if (s.passed + s.failed > 0 || op_table().find(op))
      std::printf("%-28s %6d %6d %12d  %.110s\n", op.c_str(), s.passed, s.failed, s.refused + s.not_ours,
                  s.example.c_str());
  std::printf("%zu cases: %d passed, %d failed, %d refused, %d with types we do not have\n", cases.size(), total.passed,
              total.failed, total.refused, total.not_ours);
  EXPECT_GT(total.passed, 0);
}

TEST(NodeTests, Generated) {
  fs::path root = directory_from("QUADLANE_NODE_TESTS", repository() / "build" / "node_tests");
  if (root.empty()) GTEST_SKIP() << "no generated node tests (tools/make_node_tests.py)";
  run_cases(root);
}

class Conformance : public ::testing::TestWithParam<const char*> {};

TEST_P(Conformance, Released) {
  fs::path root = directory_from("QUADLANE_DATA", shared_directory() / "data") / "conformance" / "onnx-1.17.0";
  if (!fs::is_directory(root / GetParam())) GTEST_SKIP() << "no unpacked ONNX release";
  run_cases(root / GetParam());
}

INSTANTIATE_TEST_SUITE_P(Onnx, Conformance,
                         ::testing::Values("node", "simple", "pytorch-converted", "pytorch-operator"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace quadlane::testing
