// Options that name a file to write.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>

#include "engine/base/status.h"

namespace quadlane::tools {

// Refuses what is no name of a file: nothing, and "-".
CLI::Option* add_output(CLI::App&, const std::string& option, std::string& path, const std::string& help);

// Before the work: every file that is named can be written, no two are one, and none is a file that is read.
Status prepare_outputs(std::span<const std::string> paths, std::span<const std::string> inputs = {});

}  // namespace quadlane::tools
