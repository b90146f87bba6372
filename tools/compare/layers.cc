#include "tools/compare/layers.h"

#include <algorithm>
#include <cmath>

#include "graph/quant/quantize.h"
#include "loader/onnx_model.h"
#include "ops/table.h"
#include "tools/accuracy/exposed.h"
#include "tools/cli/table.h"
#include "tools/compare/difference.h"

namespace quadlane::tools {
namespace {

constexpr int64_t kFewestToFit = 8;
// What the second model may call a value, and what maps it to the first one's numbers. Numbers that stand for bytes
// come first; then bytes, whose scale may lie in the weights; then the value itself; what equalization scaled comes
// last.
struct Name {
  const char* suffix;
  MapBy fit;
};
constexpr Name kNames[] = {{"_dequantized", MapBy::none},
                           {"_DequantizeLinear_Output", MapBy::none},
                           {"_quantized", MapBy::line},
                           {"_QuantizeLinear_Output", MapBy::line},
                           {"", MapBy::none},
                           {"_equalized_dequantized", MapBy::factor},
                           {"_equalized_quantized", MapBy::line},
                           {"_equalized", MapBy::factor}};

bool is_comparable(DType t) { return t == DType::f32 || t == DType::u8 || t == DType::s8; }

bool is_byte(const Tensor& t) { return t.dtype() == DType::u8 || t.dtype() == DType::s8; }

bool equal_constants(const Graph& a, ValueId v, const Graph& b, ValueId w) {
  const Tensor *x = a.constant(v), *y = b.constant(w);
  if (!x || !y) return !x && !y && v == kNoValue && w == kNoValue;
  if (x->count() != y->count()) return false;
  for (int64_t i = 0; i < x->count(); ++i)
    if (element_as_double(x->view(), i) != element_as_double(y->view(), i)) return false;
  return true;
}

// Both are quantized with equal scales and zero points.
bool have_equal_levels(const Graph& a, ValueId v, const Graph& b, ValueId w) {
  const Node *p = a.producer(v), *q = b.producer(w);
  return p && q && p->op == "QuantizeLinear" && q->op == "QuantizeLinear" &&
         equal_constants(a, p->input(1), b, q->input(1)) && equal_constants(a, p->input(2), b, q->input(2));
}

struct Pair {
  LayerDifference difference;
  size_t channels = 1;
  bool equal_levels = false;
};

// Every value that a node of the first model computes and that the second has under some name, of the same shape.
std::vector<Pair> pairs_of(const Graph& a, const Graph& b) {
  std::vector<Pair> pairs;
  for (NodeId id : a.order())
    for (ValueId v : a.at(id).outputs) {
      if (v == kNoValue || a.at(v).constant || !is_comparable(a.at(v).type.dtype) || a.at(v).type.shape.empty())
        continue;
      for (const Name& as : kNames) {
        const std::optional<ValueId> w = b.find(a.at(v).name + as.suffix);
        if (!w || !is_comparable(b.at(*w).type.dtype) || b.at(*w).type.shape != a.at(v).type.shape) continue;
        Pair pair{{a.at(v).name, b.at(*w).name, a.at(id).op}};
        const bool bytes = a.at(v).type.dtype != DType::f32 || b.at(*w).type.dtype != DType::f32;
        pair.difference.fit = bytes ? MapBy::line : as.fit;
        const Shape& shape = a.at(v).type.shape;
        pair.channels = shape.size() < 2 ? 1 : static_cast<size_t>(shape[1]);
        int64_t elements = shape[0];
        for (size_t i = 2; i < shape.size(); ++i) elements *= shape[i];
        // What maps a few elements of a channel fits them always.
        pair.difference.judged = pair.difference.fit == MapBy::none || elements >= kFewestToFit;
        pair.equal_levels = have_equal_levels(a, v, b, *w);
        pairs.push_back(std::move(pair));
        break;
      }
    }
  return pairs;
}

// Sums over one channel of both, enough for the best line a ~ scale * b + origin.
struct Line {
  double n = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
  void add(double x, double y) {
    if (!std::isfinite(x) || !std::isfinite(y)) return;
    n += 1, a += x, b += y, aa += x * x, bb += y * y, ab += x * y;
  }
  std::pair<double, double> fit(MapBy how) const {
    if (n == 0 || how == MapBy::none) return {1, 0};
    if (how == MapBy::factor) return {bb > 0 ? ab / bb : 0, 0};
    const double variance = bb - b * b / n;
    const double scale = variance > 1e-12 * bb ? (ab - a * b / n) / variance : 0;
    return {scale, (a - scale * b) / n};
  }
};

double number(const Tensor& t, int64_t i) {
  if (t.dtype() == DType::f32) return t.as<float>()[i];
  return t.dtype() == DType::u8 ? t.as<uint8_t>()[i] : static_cast<double>(t.as<int8_t>()[i]);
}

// Calls f(channel, a, b) for every element.
template <class F>
void for_elements(const Tensor& a, const Tensor& b, size_t channels, const F& f) {
  const Shape& s = a.shape();
  const int64_t batch = s.size() < 2 ? 1 : s[0], rows = batch * static_cast<int64_t>(channels);
  const int64_t inner = rows ? a.count() / rows : 0;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = row * inner; i < (row + 1) * inner; ++i)
      f(static_cast<size_t>(row) % channels, number(a, i), number(b, i));
}

std::string share_text(const Levels& levels, int64_t part) {
  return levels.values ? fixed(100 * levels.share(part), 3) + " %" : "";
}

}  // namespace

void Levels::add(const Tensor& a, const Tensor& b) {
  if (!is_byte(a) || a.type() != b.type()) return;
  for (int64_t i = 0; i < a.count(); ++i) {
    const double difference = std::abs(number(a, i) - number(b, i));
    equal += difference == 0;
    within_one += difference <= 1;
  }
  values += a.count();
}

void Levels::add(const Levels& other) {
  values += other.values;
  equal += other.equal;
  within_one += other.within_one;
}

Levels levels_of(std::span<const LayerDifference> layers) {
  Levels all;
  for (const LayerDifference& layer : layers) all.add(layer.levels);
  return all;
}

nlohmann::ordered_json levels_json(const Levels& levels) {
  return {{"values", levels.values},
          {"equal", levels.share(levels.equal)},
          {"within_one", levels.share(levels.within_one)}};
}

Result<Graph> load_for_layers(const std::string& path, const ModelOptions& options) {
  QL_TRY(OnnxModel file, OnnxModel::read(path, options.load));
  QL_TRY(Graph graph, file.bind(op_table(), options.load));
  if (has_quantizers(graph)) return graph;
  return load_quantizable(file, options);
}

Result<std::vector<LayerDifference>> compare_layers(const Graph& first, const Graph& second,
                                                    std::span<const std::vector<Tensor>> inputs) {
  std::vector<Pair> pairs = pairs_of(first, second);
  if (pairs.empty()) return invalid_argument("the two models have no value of the same name and shape");
  std::vector<std::string> names, others;
  for (const Pair& pair : pairs) {
    names.push_back(pair.difference.name);
    others.push_back(pair.difference.other);
  }
  QL_TRY(Exposed a, Exposed::make(first, names));
  QL_TRY(Exposed b, Exposed::make(second, others));
  for (const std::vector<Tensor>& input : inputs) {
    QL_CHECK_OK(a.run(input).context("the first model"));
    QL_CHECK_OK(b.run(input).context("the second model"));
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (pairs[i].equal_levels) pairs[i].difference.levels.add(a.value(i), b.value(i));
      const MapBy fit = pairs[i].difference.fit;
      // Levels are mapped back by each input's own best line: nothing of several inputs has to be kept.
      std::vector<Line> lines(pairs[i].channels);
      if (fit != MapBy::none)
        for_elements(a.value(i), b.value(i), pairs[i].channels,
                     [&](size_t c, double x, double y) { lines[c].add(x, y); });
      std::vector<std::pair<double, double>> fits;
      for (const Line& line : lines) fits.push_back(line.fit(fit));
      for_elements(a.value(i), b.value(i), pairs[i].channels, [&](size_t c, double x, double y) {
        pairs[i].difference.deviation.add(x, fits[c].first * y + fits[c].second);
      });
    }
  }
  std::vector<LayerDifference> differences;
  for (Pair& pair : pairs) differences.push_back(std::move(pair.difference));
  return differences;
}

// Relative to the largest magnitude.
std::string error_text(const measure::Deviation& d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2e", d.relative_error());
  return d.unlike > 0 ? "NaN" : text;
}

std::vector<std::string> layer_cells(const LayerDifference& d) {
  std::vector<std::string> cells = {d.name, d.other, d.op, "-", "-"};
  if (d.judged) {
    cells[3] = sqnr_text(d.deviation) + (d.fit == MapBy::none ? "" : " fitted");
    cells[4] = error_text(d.deviation);
  }
  cells.push_back(share_text(d.levels, d.levels.equal));
  cells.push_back(share_text(d.levels, d.levels.within_one));
  return cells;
}

std::string layers_table(std::span<const LayerDifference> differences, const char* name, const char* other) {
  Table table({name, other, "op", "SQNR dB", "max error", kLevelHeadings[0], kLevelHeadings[1]});
  for (const LayerDifference& d : differences) table.add(layer_cells(d));
  const Levels all = levels_of(differences);
  if (all.values == 0) return table.text();
  return cat(table.text(), "of ", all.values, " quantized values ", share_text(all, all.equal), " are equal, ",
             share_text(all, all.within_one), " within one level\n");
}

nlohmann::ordered_json layer_differences_json(std::span<const LayerDifference> differences) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const LayerDifference& d : differences) {
    nlohmann::ordered_json layer = {{"name", d.name}, {"other", d.other}, {"op", d.op}, {"judged", d.judged}};
    if (d.judged) {
      layer["sqnr_db"] = d.deviation.sqnr_db();
      layer["max_error"] = d.deviation.relative_error();
      layer["not_alike"] = d.deviation.unlike;
    }
    layer["fitted"] = d.fit != MapBy::none;
    if (d.levels.values) layer["levels"] = levels_json(d.levels);
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace quadlane::tools
