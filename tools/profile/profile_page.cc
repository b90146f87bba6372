#include "tools/cli/page.h"
#include "tools/profile/profile_report.h"

namespace quadlane::tools {

extern const char kProfilePage[];  // profile_page.html, as the build embeds it

std::string profile_page(const NetworkProfile& p, const Model& model, const std::string& path) {
  nlohmann::ordered_json json = profile_json(p, model, path);
  json["trace"] = nlohmann::ordered_json::parse(profile_trace(p, model))["traceEvents"];
  return page_with_data(kProfilePage, json);
}

}  // namespace quadlane::tools
