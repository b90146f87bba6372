#include "tools/accuracy/report.h"

#include <algorithm>
#include <cmath>

#include "tools/io/png.h"

namespace quadlane::tools {
namespace {

constexpr size_t kLayerInputs = 4, kWorst = 8;

// A picture [1,C,H,W] or [1,H,W,C].
struct Pixels {
  int64_t rows, columns, channels;
  int64_t next_pixel, next_channel;  // elements
};

std::optional<Pixels> pixels_of(const TensorType& type) {
  const Shape& s = type.shape;
  if (s.size() != 4 || s[0] != 1 || type.count() == 0) return std::nullopt;
  if (channels_last(s)) return Pixels{s[1], s[2], s[3], s[3], 1};
  return Pixels{s[2], s[3], s[1], 1, s[2] * s[3]};
}

// Pictures of outputs that have the input's size.
std::optional<Pixels> pixels_of(const Tensor& input, const Tensor& output) {
  const std::optional<Pixels> in = pixels_of(input.type()), out = pixels_of(output.type());
  const bool same = in && out && in->rows == out->rows && in->columns == out->columns;
  return same && input.dtype() == DType::f32 ? in : std::nullopt;
}

// Of its first three channels.
std::vector<float> grey_of(const Tensor& input, const Pixels& p) {
  std::vector<float> grey(static_cast<size_t>(p.rows * p.columns));
  for (int64_t c = 0; c < std::min<int64_t>(p.channels, 3); ++c)
    for (size_t i = 0; i < grey.size(); ++i)
      grey[i] += input.as<float>()[static_cast<int64_t>(i) * p.next_pixel + c * p.next_channel];
  return grey;
}

// The input in grey; red where the class changed.
Result<std::string> overlay(const Tensor& input, const Pixels& p, const Classes& a, const Classes& b) {
  Picture picture(static_cast<int>(p.columns), static_cast<int>(p.rows));
  const std::vector<float> x = grey_of(input, p);
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  for (size_t i = 0; i < x.size(); ++i) {
    const double grey = *high > *low ? 255.0 * (x[i] - *low) / (*high - *low) : 0;
    const uint8_t g = static_cast<uint8_t>(grey);
    const bool differs = a[i] != b[i], inside = a[i] != 0;
    picture.pixels[i] =
        differs ? Rgb{255, 40, 40} : Rgb{g, static_cast<uint8_t>(inside ? std::min(255, g + 45) : g), g};
  }
  return format_png(picture);
}

nlohmann::ordered_json loss_json(const NetworkLoss& loss) {
  nlohmann::ordered_json json = {{"drop", loss.drop}, {"noise", loss.noise}};
  if (loss.expected) json["expected_drop"] = *loss.expected;
  return json;
}

}  // namespace

Status measure(const Graph& fp32, const Graph& int8, const Profile& profile, std::span<const Sample> samples,
               const CalibrationSource& source, Metric metric, QuantizationReport& report) {
  QL_TRY(Evaluator evaluator, Evaluator::against(fp32, samples, source, metric, nullptr));
  QL_TRY(NetworkLoss loss, evaluator.loss(int8));
  report.inputs = evaluator.inputs();
  report.output_sqnr_db = loss.noise > 0 ? -10 * std::log10(loss.noise) : 200;
  report.drop = loss.drop;
  std::vector<std::vector<Tensor>> few;
  for (const Sample& sample : samples) {
    if (few.size() >= kLayerInputs) break;
    QL_TRY(auto read, read_samples(sample, fp32, source));
    for (auto& tensors : read)
      if (few.size() < kLayerInputs) few.push_back(std::move(tensors));
  }
  QL_TRY(report.layers, layer_figures(fp32, int8, report.quantized, profile, few));
  if (metric == Metric::sqnr || metric == Metric::map) return {};
  QL_CHECK_OK(evaluator.compare(
      int8, [&](const std::string& name, const Tensor& input, const Tensor& a, const Tensor& b) -> Status {
        QuantizationReport::Case c{name, evaluator.changed(a, b), {}};
        report.changed += c.changed / static_cast<double>(evaluator.inputs());
        const bool comparable = metric != Metric::top1 && a.type() == b.type();
        if (std::optional<Pixels> p = pixels_of(input, a); p && comparable) {
          QL_TRY(Classes x, classes_of(metric, a, evaluator.threshold()));
          QL_TRY(Classes y, classes_of(metric, b, evaluator.threshold()));
          QL_TRY(c.png, overlay(input, *p, x, y));
        }
        report.worst.push_back(std::move(c));
        std::stable_sort(report.worst.begin(), report.worst.end(),
                         [](const auto& l, const auto& r) { return l.changed > r.changed; });
        if (report.worst.size() > kWorst) report.worst.pop_back();
        return {};
      }));
  return {};
}

nlohmann::ordered_json layers_json(const QuantizationReport& report) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const LayerFigures& f : report.layers)
    layers.push_back({{"name", f.name},
                      {"op", f.op},
                      {"channels", f.channels},
                      {"scales", f.scales},
                      {"seen", {f.least, f.most}},
                      {"levels", {f.low, f.high}},
                      {"sqnr_db", f.sqnr_db},
                      {"saturated", f.saturated}});
  return layers;
}

nlohmann::ordered_json control_json(const DropBound& bound, const std::string& metric, const ControlResult& control) {
  const KeptLayers& layers = control.layers;
  nlohmann::ordered_json ranking = nlohmann::ordered_json::array();
  for (const KeptLayers::Layer& layer : layers.ranking) {
    ranking.push_back({{"name", layer.conv},
                       {"alone_in_f32", loss_json(layer.without)},
                       {"alone_in_int8_noise", layer.adds},
                       {"kept", layers.keep.count(layer.conv) > 0}});
    if (auto cost = control.cost_ms.find(layer.conv); cost != control.cost_ms.end())
      ranking.back()["cost_ms"] = cost->second;
  }
  nlohmann::ordered_json ms, interval;  // null where nothing is kept; where none are held out
  if (control.interval) interval = {control.interval->low, control.interval->high};
  if (control.ms > 0) ms = {{"f32", control.fp32_ms}, {"int8", control.int8_ms}, {"mixed", control.ms}};
  return {{"metric", metric},
          {"max_drop", bound.max_drop},
          {"met", layers.met},
          {"f32_score", control.fp32_score},
          {"f32_score_held_out", control.fp32_held_out},
          {"inputs", {{"tuning", control.tuning}, {"held_out", control.held_out}, {"apart", control.apart}}},
          {"int8", {{"tuning", loss_json(layers.int8)}, {"held_out", loss_json(layers.int8_held_out)}}},
          {"mixed", {{"tuning", loss_json(layers.loss)}, {"held_out", loss_json(layers.held_out)}}},
          {"held_out_drop_95", interval},
          {"kept", layers.keep},
          {"ms", ms},
          {"ranking", ranking}};
}

}  // namespace quadlane::tools
