// Where figures come from: the machine, the build and the model, for the JSON of bench, profile and compare.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/base/status.h"

namespace quadlane::tools {

nlohmann::ordered_json host_json();
// What the linker calls this program: two builds of the same code by the same tools have the same; in hexadecimal.
std::string build_id();
// Of the file's bytes.
Result<std::string> model_sha256(const std::string& path);

}  // namespace quadlane::tools
