// A verb of the command: its options hang on a CLI11 subcommand, `run` is called after they were parsed. When it fails,
// the command exits with *exit_code, or 1 where there is none.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>

#include "engine/base/status.h"

namespace quadlane::tools {

struct Verb {
  CLI::App* app;
  std::function<Status()> run;
  std::shared_ptr<const int> exit_code = nullptr;
};

Verb add_run(CLI::App& root);
Verb add_quantize(CLI::App& root);
Verb add_compile(CLI::App& root);
Verb add_bench(CLI::App& root);
Verb add_profile(CLI::App& root);
Verb add_compare(CLI::App& root);
Verb add_inspect(CLI::App& root);
Verb add_verify(CLI::App& root);
Verb add_segment(CLI::App& root);

}  // namespace quadlane::tools
