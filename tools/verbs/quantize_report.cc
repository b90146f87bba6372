#include "tools/verbs/quantize_report.h"

#include <nlohmann/json.hpp>

#include "tools/io/file.h"
#include "tools/io/json.h"

namespace quadlane::tools {
namespace {

nlohmann::ordered_json describe(const PairedGain& gain) {
  nlohmann::ordered_json json = {{"mean_db", gain.mean}, {"better", gain.better}, {"worse", gain.worse}};
  if (gain.inputs > 1) json["standard_error_db"] = gain.error;
  return json;
}

nlohmann::ordered_json describe(const RangeChoice& choice) {
  nlohmann::ordered_json single, over_minmax, values = nlohmann::ordered_json::object();
  for (const AutoCandidate& one : choice.report.candidates) {
    single[one.name] = one.sqnr_db;
    over_minmax[one.name] = describe(one.gain);
  }
  for (const auto& [name, method] : choice.policy.value_methods) values[name] = to_string(method);
  nlohmann::ordered_json json = {{"measured_on", choice.measured_on},
                                 {"measured", choice.by_classes ? "classes that differ" : "sqnr"},
                                 {"sqnr_db", choice.report.sqnr_db},
                                 {"single_sqnr_db", single},
                                 {"over_minmax", over_minmax},
                                 {"base", choice.report.base},
                                 {"values", values}};
  return json;
}

void print(const std::string& metric, const DropBound& bound, const ControlResult& control) {
  const KeptLayers& layers = control.layers;
  if (!bound.labels.empty() && metric != "sqnr")
    std::printf("%s of fp32: %.6g, %.6g on %s\n", metric.c_str(), control.fp32_score, control.fp32_held_out,
                control.checked_on());
  std::printf("%s drop: int8 %.6g, %.6g on %s; with %zu layers in fp32 %.6g, %.6g (at most %.6g asked)\n",
              metric.c_str(), layers.int8.drop, layers.int8_held_out.drop, control.checked_on(), layers.keep.size(),
              layers.loss.drop, layers.held_out.drop, bound.max_drop);
  if (layers.loss.expected)
    std::printf(
        "expected by how far scores moved: int8 %.3g, %.3g; with them %.3g, %.3g (the bound holds for this, too)\n",
        *layers.int8.expected, *layers.int8_held_out.expected, *layers.loss.expected, *layers.held_out.expected);
  if (control.interval)
    std::printf("on other inputs like the held-out ones the drop lies between %.3g and %.3g (95 %%)%s\n",
                control.interval->low, control.interval->high,
                control.interval->high > bound.max_drop ? ": it may exceed what was asked" : "");
  for (const KeptLayers::Layer& layer : layers.ranking)
    if (layers.keep.count(layer.conv))
      std::printf("  %s stays in fp32: alone it takes the noise from %.3g to %.3g and costs %+.3f ms\n",
                  layer.conv.c_str(), layers.int8.noise, layer.without.noise, control.cost_ms.at(layer.conv));
  if (control.ms > 0)
    std::printf("a run takes %.3g ms in fp32, %.3g in int8, %.3g with them (kernels not tuned)%s\n", control.fp32_ms,
                control.int8_ms, control.ms,
                control.ms < control.fp32_ms ? "" : ": no faster than fp32, which loses nothing");
}

void print(const PairedGain& gain) {
  std::printf("%+.2f", gain.mean);
  if (gain.inputs > 1) std::printf(" +- %.2f", gain.error);
  std::printf(" dB, better on %zu, worse on %zu", gain.better, gain.worse);
}

void print(const RangeChoice& choice) {
  std::printf("%s, %zu held-out inputs; over minmax: mean of the inputs and its standard error\n",
              choice.by_classes ? "share of classes that differ, as noise" : "SQNR at the outputs", choice.measured_on);
  for (const AutoCandidate& one : choice.report.candidates) {
    std::printf("  %-21s %6.2f dB", one.name.c_str(), one.sqnr_db);
    if (one.name != "minmax") std::printf("  "), print(one.gain);
    std::printf("\n");
  }
  std::printf("  auto                  %6.2f dB: %s, %zu values by a method of their own\n", choice.report.sqnr_db,
              choice.report.base.c_str(), choice.policy.value_methods.size());
}

}  // namespace

Status tell(const QuantizationReport& written, const RangeChoice& choice, const std::string& html,
            const std::string& json_file) {
  const QuantReport& report = written.quantized;
  if (!html.empty()) QL_CHECK_OK(write_file(html, to_html(written)));
  if (!json_file.empty()) {
    nlohmann::ordered_json json = {
        {"model", written.model},        {"output", written.output},        {"form", written.form},
        {"method", written.method},      {"rounding", written.rounding},    {"samples", written.samples},
        {"convolutions", report.layers}, {"quantized", report.int8.size()}, {"notes", report.notes}};
    if (choice.measured_on) json["auto"] = describe(choice);
    if (written.inputs > 0) json["output_sqnr_db"] = written.output_sqnr_db, json["layers"] = layers_json(written);
    if (written.control) json["accuracy"] = control_json(*written.bound, written.metric, *written.control);
    QL_CHECK_OK(write_json(json_file, json));
  }
  std::printf("%s: %zu of %d convolutions and products in int8, calibrated on %lld inputs\n", written.output.c_str(),
              report.int8.size(), report.layers, static_cast<long long>(written.samples));
  if (choice.measured_on) print(choice);
  if (written.control) print(written.metric, *written.bound, *written.control);
  for (const std::string& note : report.notes) std::printf("note: %s\n", note.c_str());
  return {};
}

}  // namespace quadlane::tools
