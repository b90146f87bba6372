#include "tools/cli/page.h"

#include "tools/io/json.h"

namespace quadlane::tools {

std::string page_with_data(std::string page, const nlohmann::ordered_json& json) {
  std::string data = json_text(json);
  // Inside a script element only "</" could end it; "<\/" is the same string in JSON.
  for (size_t at = 0; (at = data.find("</", at)) != std::string::npos; at += 3) data.insert(at + 1, 1, '\\');
  const std::string place = "\"DATA\"";
  return page.replace(page.find(place), place.size(), data);
}

}  // namespace quadlane::tools
