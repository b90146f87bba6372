#include "graph/text_node.h"

#include <algorithm>
#include <cmath>

#include "graph/text.h"
#include "graph/text_tensor.h"

namespace quadlane {
namespace {

constexpr int64_t kKeptElements = 4;

std::string constant_text(const Tensor& tensor) {
  constexpr int64_t kLookedAt = 1024;
  if (tensor.count() <= kKeptElements) return elements_text(tensor, kKeptElements);
  const int64_t count = std::min(tensor.count(), kLookedAt);
  if (tensor.dtype() == DType::s8) return "random(1)";
  if (tensor.dtype() == DType::u8) {
    const uint8_t* bytes = tensor.as<uint8_t>();
    return std::all_of(bytes, bytes + count, [](uint8_t b) { return b == 0; }) ? "zeros" : "random(1)";
  }
  if (tensor.dtype() != DType::f32) return "zeros";
  // Weights have both signs, factors have one.
  double sum = 0, magnitude = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double v = static_cast<double>(tensor.as<float>()[i]);
    sum += v;
    magnitude += std::abs(v);
  }
  if (std::abs(sum) < magnitude * 0.999) return "random(1)";
  return cat("fill(", float_text(static_cast<float>(sum / static_cast<double>(count))), ")");
}

// The parts of "a, b[1,2], {3, 4}" between commas outside brackets.
std::vector<std::string> arguments_of(std::string_view text) {
  std::vector<std::string> parts;
  int depth = 0;
  std::string part;
  for (char c : text) {
    depth += c == '[' || c == '{' || c == '(';
    depth -= c == ']' || c == '}' || c == ')';
    if (c == ',' && depth == 0) {
      parts.push_back(std::move(part));
      part.clear();
    } else if (c != ' ' || !part.empty()) {
      part += c;
    }
  }
  if (!part.empty()) parts.push_back(std::move(part));
  return parts;
}

// Where the bracket opened at `open` closes.
size_t closing(std::string_view text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    depth += text[i] == '(';
    depth -= text[i] == ')';
    if (depth == 0) return i;
  }
  return std::string_view::npos;
}

}  // namespace

std::string node_alone_text(const Graph& graph, const Node& node) {
  std::string text = cat(node.op, "(");
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (i) text += ", ";
    if (node.inputs[i] == kNoValue) {
      text += "_";
      continue;
    }
    text += to_string(graph.at(node.inputs[i]).type);
    if (const Tensor* constant = graph.constant(node.inputs[i])) text += "=" + constant_text(*constant);
  }
  return cat(text, ")", attributes_text(node));
}

Result<Graph> parse_node_alone(std::string_view text, const OpTable& ops) {
  const size_t open = text.find('('), close = open == text.npos ? open : closing(text, open);
  if (close == text.npos) return invalid_argument("'", text, "' is no node like Relu(f32[1,8,4,4])");
  std::string inputs, constants, arguments;
  int next = 0;
  for (const std::string& part : arguments_of(text.substr(open + 1, close - open - 1))) {
    const size_t equals = part.find('=');
    std::string name = "_";
    if (part != "_") {
      name = cat(equals == part.npos ? "%in" : "%const", next++);
      if (equals == part.npos)
        inputs += cat("input ", name, ": ", part, "\n");
      else
        constants += cat("const ", name, ": ", part.substr(0, equals), " = ", part.substr(equals + 1), "\n");
    }
    arguments += cat(arguments.empty() ? "" : ", ", name);
  }
  auto parsed = [&](size_t outputs) {
    std::string names = "%out0";
    for (size_t i = 1; i < outputs; ++i) names += cat(", %out", i);
    return parse_graph(cat("graph \"kernel\"\n", inputs, constants, names, " = ", text.substr(0, open), "(", arguments,
                           ")", text.substr(close + 1), "\noutput ", names, "\n"),
                       ops);
  };
  QL_TRY(Graph one, parsed(1));
  QL_TRY(auto types, infer_types(one, one.at(one.order()[0]), ops));
  if (types.size() == 1) return one;
  return parsed(types.size());
}

}  // namespace quadlane
