// The options every verb that takes a MODEL shares.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/api/engine.h"

namespace quadlane::tools {

struct ModelArgs {
  std::string path;
  std::string isa;  // empty: the best this machine runs
  bool no_tune = false, self_test = false;
  std::string schedules;            // file of schedules chosen earlier; empty: none
  std::vector<std::string> shapes;  // NAME=1x1x224x224
  std::vector<std::string> dims;    // NAME=224
  int64_t batch = 0;                // 0: as the model says
  std::vector<std::string> disabled;
  bool perf_map = false;
  std::string jit_dump, vtune;
  // Opened once, whatever number of models these options and copies of them load.
  std::shared_ptr<std::vector<std::shared_ptr<CodeListener>>> listeners =
      std::make_shared<std::vector<std::shared_ptr<CodeListener>>>();

  // MODEL as the first argument, or --model with `path` as its default.
  void add_to(CLI::App&, bool positional = true);
  Result<ModelOptions> options() const;

 private:
  Status open_listeners() const;
};

// "1x1x224x224" -> a shape.
Result<Shape> parse_shape(std::string_view text);
// The AVX2 remark of a machine without AVX-512 VNNI, or nothing.
std::string isa_remark(const Model&);

}  // namespace quadlane::tools
