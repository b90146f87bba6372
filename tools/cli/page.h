// HTML pages that need nothing beside themselves: a template of the source tree with its data put in.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace quadlane::tools {

// Replaces the text "DATA", quotes included, in the template's script element of JSON.
std::string page_with_data(std::string page, const nlohmann::ordered_json&);

}  // namespace quadlane::tools
