// The lists as a whole, on random networks: the result is the same, every pass can be switched off, hooks are called.
#include "tests/passes/pass_check.h"

namespace quadlane {
namespace {

std::vector<Pass> f32_list() {
  std::vector<Pass> list(simplify_passes().begin(), simplify_passes().end());
  list.insert(list.end(), fuse_f32_passes().begin(), fuse_f32_passes().end());
  return list;
}

Graph network(uint32_t seed) {
  RandomGraphOptions options{.pre_activation = seed % 2 == 1, .size = seed % 3 == 0 ? 12 : 16};
  return seed % 4 < 2 ? random_dense_unet(op_table(), seed, options) : random_resnet(op_table(), seed, options);
}

TEST(Pipeline, KeepsTheResultOfRandomNetworks) {
  for (uint32_t seed = 0; seed < 24; ++seed) {
    Graph before = network(seed), simple = after_passes(before, simplify_passes()),
          after = after_passes(before, f32_list());
    EXPECT_LT(f32_difference(simple, before, seed), 1e-4) << seed;
    EXPECT_LT(f32_difference(after, before, seed), 1e-4) << seed;
    std::string ops = ops_of(after);
    EXPECT_EQ(ops.find(" Conv"), ops.npos) << ops;  // all convolutions are ql.Conv
    EXPECT_EQ(ops.find("Relu"), ops.npos) << ops;   // all activations are in them, or in front of them
  }
}

TEST(Pipeline, EveryPassCanBeSwitchedOff) {
  std::vector<Pass> list = f32_list();
  for (const Pass& pass : list)
    for (uint32_t seed : {4u, 5u, 6u, 7u}) {
      Graph before = network(seed);
      std::vector<PassReport> report;
      Graph after = after_passes(before, list, {.disabled = {pass.name}, .report = &report});
      EXPECT_LT(f32_difference(after, before, seed), 1e-4) << pass.name << ' ' << seed;
      for (const PassReport& row : report) {
        if (std::string_view(row.name) == pass.name) {
          EXPECT_EQ(row.rewrites, 0) << pass.name;
        }
      }
    }
}

TEST(Pipeline, RefusesUnknownNames) {
  Graph g = network(1);
  Status s = run_passes(g, op_table(), simplify_passes(), {.disabled = {"fold_everything"}});
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.error().message, "there is no pass named 'fold_everything'");
}

TEST(Pipeline, CallsTheHookAfterEveryPass) {
  std::vector<std::string> seen;
  after_passes(network(0), simplify_passes(), {.after = [&](const char* pass, const Graph&) { seen.push_back(pass); }});
  ASSERT_GT(seen.size(), simplify_passes().size());
  EXPECT_EQ(seen[0], "load");
  EXPECT_EQ(seen[1], simplify_passes()[0].name);
}

TEST(Pipeline, NamesAreUnique) {
  std::set<std::string> names;
  for (const Pass& pass : all_passes()) EXPECT_TRUE(names.insert(pass.name).second) << pass.name;
}

}  // namespace
}  // namespace quadlane
