// A small plan file, written by the engine for the tests of its C API.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "engine/api/plan_model.h"
#include "graph/text.h"
#include "ops/table.h"

namespace quadlane::testing {

inline Graph small_graph() {
  return *parse_graph(R"(
graph "small"
input %x: f32[1,3,16,16]
const %w: f32[8,3,3,3] = random(1)
const %w2: f32[4,11,3,3] = random(2)
%y = Conv(%x, %w, _) pads=[1,1,1,1]
%r = Relu(%y)
%c = Concat(%x, %r) axis=1
%z = Conv(%c, %w2, _) pads=[1,1,1,1]
%p = MaxPool(%z) kernel_shape=[2,2] strides=[2,2]
output %p
)",
                      op_table());
}

// Made once: a test may run where no code can be generated any more.
inline const std::vector<std::byte>& small_plan_bytes(bool ahead, const std::optional<Ed25519Key>& signing_seed) {
  static std::map<std::pair<bool, std::optional<Ed25519Key>>, std::vector<std::byte>> made;
  std::vector<std::byte>& bytes = made[{ahead, signing_seed}];
  if (!bytes.empty()) return bytes;
  PlanFileOptions options;
  options.ahead = ahead, options.signing_seed = signing_seed;
  return bytes = *make_plan_file(small_graph(), {.tune = false}, options);
}

class SmallPlan {
 public:
  explicit SmallPlan(bool ahead = true, std::optional<Ed25519Key> signing_seed = {}) {
    std::string pattern = (std::filesystem::temp_directory_path() / "quadlane-c-XXXXXX").string();
    dir_ = mkdtemp(pattern.data());
    path = (dir_ / "small.qlp").string();
    const std::vector<std::byte>& bytes = small_plan_bytes(ahead, signing_seed);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  ~SmallPlan() {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }
  SmallPlan(const SmallPlan&) = delete;
  std::string file(const std::string& name) const { return (dir_ / name).string(); }
  std::string path;

 private:
  std::filesystem::path dir_;
};

}  // namespace quadlane::testing
