// A profile for people and programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tools/profile/network_profile.h"

namespace quadlane::tools {

// A row for each layer, then a summary by operator and the machine's limits.
std::string profile_table(const NetworkProfile&);
// layers[] with name, op, kernel, ms, gmac, percent_of_peak, bytes_read, bytes_written, note and more; totals; the
// memory plan.
nlohmann::ordered_json profile_json(const NetworkProfile&, const Model&, const std::string& path);
// Chrome's trace format: a track for each thread of each stream, over some instrumented runs.
std::string profile_trace(const NetworkProfile&, const Model&);
// One HTML file that needs nothing else: roofline, timeline, memory plan, table.
std::string profile_page(const NetworkProfile&, const Model&, const std::string& path);

}  // namespace quadlane::tools
