// Names that a user got wrong.
#pragma once

#include <span>
#include <string>

#include "engine/base/status.h"

namespace quadlane::tools {

// Ok when `name` is one of `known`; else an error that suggests the nearest: "there is no step 'conv2', the nearest is
// 'conv_2'".
Status known_name(const char* what, const std::string& name, std::span<const std::string> known);

// Insertions, deletions and replacements that make one text the other.
size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace quadlane::tools
