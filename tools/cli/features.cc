#include "tools/cli/features.h"

#include <algorithm>

namespace quadlane::tools {
namespace {

constexpr int64_t kEnough = 64;  // elements: their noise in dB scatters by 6 / sqrt(64) from one image to the next

int64_t elements_of_image(const Graph& graph, ValueId v) {
  const Shape& shape = graph.at(v).type.shape;
  int64_t count = 1;
  for (size_t i = 1; i < shape.size(); ++i) count *= shape[i];
  return count;
}

// What the value is computed from besides constants; nothing where that is more than one value.
std::optional<ValueId> only_source(const Graph& graph, ValueId v) {
  std::optional<ValueId> only;
  const Node* node = graph.producer(v);
  if (!node) return only;
  for (ValueId in : node->inputs) {
    if (in == kNoValue || graph.constant(in)) continue;
    if (only) return std::nullopt;
    only = in;
  }
  return only;
}

}  // namespace

std::string features_of(const Graph& fp32, ValueId output, std::span<const QuantValue> ranged) {
  if (fp32.at(output).type.dtype != DType::f32 || elements_of_image(fp32, output) >= kEnough) return "";
  std::string last;
  for (auto v = only_source(fp32, output); v && fp32.producer(*v); v = only_source(fp32, *v)) {
    const std::string& name = fp32.at(*v).name;
    if (elements_of_image(fp32, *v) < kEnough) continue;
    if (std::any_of(ranged.begin(), ranged.end(), [&](const auto& value) { return value.name == name; })) return name;
    if (last.empty()) last = name;
  }
  return last;
}

std::vector<std::optional<size_t>> show(Graph& graph, const std::vector<std::string>& names) {
  std::vector<ValueId> shown(graph.outputs().begin(), graph.outputs().end());
  std::vector<std::optional<size_t>> places;
  for (const std::string& name : names) {
    const std::optional<ValueId> v = graph.find(name);
    const auto place = v ? std::find(shown.begin(), shown.end(), *v) : shown.end();
    places.push_back(v ? std::optional<size_t>(place - shown.begin()) : std::nullopt);
    if (v && place == shown.end()) shown.push_back(*v);
  }
  graph.set_outputs(std::move(shown));
  return places;
}

}  // namespace quadlane::tools
