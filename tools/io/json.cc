#include "tools/io/json.h"

#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

using nlohmann::json;

constexpr int kDeepest = 16;

std::string text_of(const nlohmann::ordered_json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

Result<json> parse_json(std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes)
    return invalid_argument("the JSON text has ", text.size(), " bytes, the limit is ", max_bytes);
  bool too_deep = false;
  const auto is_shallow = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > kDeepest;
    return !too_deep;
  };
  json value = json::parse(text, is_shallow, /*allow_exceptions=*/false);
  if (too_deep) return invalid_argument("the JSON text nests deeper than ", kDeepest);
  if (value.is_discarded()) return invalid_argument("no JSON");
  return value;
}

std::string json_text(const nlohmann::ordered_json& value) { return text_of(value, -1); }

Status write_json(const std::string& path, const nlohmann::ordered_json& value) {
  return write_file(path, text_of(value, 1) + "\n");
}

}  // namespace quadlane::tools
