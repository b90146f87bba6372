// JSON: of strangers in, ours out.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace quadlane::tools {

// Refuses texts of more than `max_bytes` and values nested more than 16 deep before anything is made of them: what
// copies or prints a value calls itself once for each level.
Result<nlohmann::json> parse_json(std::string_view text, size_t max_bytes);

// On one line. Names and paths may hold any bytes; those that are no UTF-8 become U+FFFD.
std::string json_text(const nlohmann::ordered_json&);
// The same as a file for people to read too.
Status write_json(const std::string& path, const nlohmann::ordered_json&);

}  // namespace quadlane::tools
