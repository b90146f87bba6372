#include "tools/profile/profile_report.h"

namespace quadlane::tools {

extern const char kProfilePage[];  // profile_page.html, as the build embeds it

std::string profile_page(const NetworkProfile& p, const Model& model, const std::string& path) {
  nlohmann::ordered_json json = profile_json(p, model, path);
  json["trace"] = nlohmann::ordered_json::parse(profile_trace(p, model))["traceEvents"];
  std::string data = json.dump();
  // Inside a script element only "</" could end it; "<\/" is the same string in JSON.
  for (size_t at = 0; (at = data.find("</", at)) != std::string::npos; at += 3) data.insert(at + 1, 1, '\\');
  std::string page = kProfilePage;
  const std::string place = "\"DATA\"";
  page.replace(page.find(place), place.size(), data);
  return page;
}

}  // namespace quadlane::tools
