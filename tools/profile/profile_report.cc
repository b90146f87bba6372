#include "tools/profile/profile_report.h"

#include <algorithm>
#include <map>

#include "tools/cli/table.h"
#include "tools/io/json.h"
#include "tools/load/fingerprint.h"

namespace quadlane::tools {
namespace {

std::string megabytes(int64_t bytes) { return fixed(static_cast<double>(bytes) * 1e-6, 3); }
// Of a number that means nothing where there is no work.
std::string unless_none(double value, int decimals) { return value > 0 ? fixed(value, decimals) : ""; }

std::string layer_table(const NetworkProfile& p) {
  Table table({"layer", "operator", "ms", "%", "sum %", "MMAC", "GMAC/s", "% peak", "MB read", "MB written", "GB/s",
               "MAC/B", "waits %", "bound", "bound %", "wasted %"});
  for (const LayerProfile& l : p.layers)
    table.add({l.info->name, l.info->op, fixed(l.ms.median, 4), fixed(100 * l.share, 1), fixed(100 * l.cumulative, 1),
               unless_none(1e3 * l.info->gmac_executed, 2), unless_none(l.gmac_per_s(), 1),
               unless_none(p.percent_of_peak(l), 1), megabytes(l.info->bytes_read), megabytes(l.info->bytes_written),
               fixed(l.gb_per_s(), 1), unless_none(l.intensity(), 1), unless_none(100 * l.waiting, 0), l.bound.name,
               unless_none(100 * l.bound_share(), 0), unless_none(100 * l.wasted_lanes(), 1)});
  return table.text();
}

struct OpSummary {
  int count = 0;
  double ms = 0, share = 0, gmac = 0;
  int64_t bytes = 0;
};

std::vector<std::pair<std::string, OpSummary>> by_operator(const NetworkProfile& p) {
  std::map<std::string, OpSummary> ops;
  for (const LayerProfile& l : p.layers) {
    OpSummary& op = ops[l.info->op];
    ++op.count;
    op.ms += l.ms.median;
    op.share += l.share;
    op.gmac += l.gmac();
    op.bytes += l.info->bytes_read + l.info->bytes_written;
  }
  std::vector<std::pair<std::string, OpSummary>> list(ops.begin(), ops.end());
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.second.ms > b.second.ms; });
  return list;
}

std::string operator_table(const NetworkProfile& p) {
  Table table({"operator", "steps", "ms", "%", "GMAC", "GMAC/s", "MB moved"});
  for (const auto& [name, op] : by_operator(p))
    table.add({name, cat(op.count), fixed(op.ms, 3), fixed(100 * op.share, 1), unless_none(op.gmac, 3),
               unless_none(op.gmac / op.ms * 1e3, 1), megabytes(op.bytes)});
  return table.text();
}

std::string kernels_and_reasons(const NetworkProfile& p) {
  std::string text =
      "kernels, why copies and fallbacks exist, and what is computed (bench/kernel takes a line that ends with a "
      "node):\n";
  for (const LayerProfile& l : p.layers) {
    text += cat("  ", l.info->name, " | ", l.info->op, " | ", l.info->kernel);
    if (!l.info->note.empty()) text += cat("  -- ", l.info->note);
    text += l.info->problem.empty() ? "\n" : cat(" | ", l.info->problem, "\n");
  }
  return text;
}

std::string machine_lines(const NetworkProfile& p) {
  const Machine& m = p.machine;
  std::string text =
      cat("one core: ", fixed(m.peak_int8, 1), " GMAC/s int8, ", fixed(m.peak_f32, 1), " fp32, about ",
          fixed(m.rates.clock, 2), " GHz; copying ", fixed(m.copy.l1, 0), " GB/s in L1, ", fixed(m.copy.l2, 0), " L2, ",
          fixed(m.copy.l3, 0), " L3, ", fixed(m.copy.memory, 0), " memory (read plus written)\n");
  text += "counters of a request:";
  for (const auto& value : p.counters)
    text += cat(" ", value.name, " ", value.count ? fixed(*value.count, 0) : "n/a", ",");
  text.back() = '\n';
  if (!p.counters_remark.empty()) text += cat("n/a: ", p.counters_remark, "\n");
  return text;
}

nlohmann::ordered_json limits_json(const Limits& t) {
  return {{"dots", t.dots},    {"instructions", t.instructions}, {"l1", t.l1}, {"l2", t.l2}, {"l3", t.l3},
          {"memory", t.memory}};
}

nlohmann::ordered_json mix_json(const Mix& m) {
  return {{"dots", m.dots},     {"loads", m.loads},       {"stores", m.stores},
          {"vector", m.vector}, {"shuffles", m.shuffles}, {"instructions", m.instructions}};
}

nlohmann::ordered_json layer_json(const NetworkProfile& p, const LayerProfile& l) {
  nlohmann::ordered_json json = {{"name", l.info->name},
                                 {"op", l.info->op},
                                 {"kernel", l.info->kernel},
                                 {"problem", l.info->problem},
                                 {"ms", l.ms.median},
                                 {"ms_min", l.ms.min},
                                 {"ms_max", l.ms.max},
                                 {"share", l.share},
                                 {"cumulative_share", l.cumulative},
                                 {"gmac", l.info->gmac},
                                 {"gmac_executed", l.info->gmac_executed},
                                 {"gmac_per_s", l.gmac_per_s()},
                                 {"percent_of_peak", p.percent_of_peak(l)},
                                 {"bytes_read", l.info->bytes_read},
                                 {"bytes_written", l.info->bytes_written},
                                 {"gb_per_s", l.gb_per_s()},
                                 {"macs_per_byte", l.intensity()},
                                 {"waiting", l.waiting},
                                 {"bound", l.bound.name},
                                 {"bound_share", l.bound_share()},
                                 {"limits_ms", limits_json(l.limits)},
                                 {"wasted_lanes", l.wasted_lanes()},
                                 {"precision", l.info->int8 ? "int8" : "f32"},
                                 {"reference", l.info->reference},
                                 {"note", l.info->note}};
  if (l.loops) {
    json["hot_loop"] = mix_json(l.loops->mix);
    json["around_hot_loop"] = mix_json(l.loops->around);
  }
  return json;
}

nlohmann::ordered_json memory_json(const run::Plan& plan) {
  nlohmann::ordered_json slots = nlohmann::ordered_json::array();
  for (const run::Slot& slot : plan.slots)
    slots.push_back({{"name", slot.name},
                     {"offset", slot.offset},
                     {"bytes", slot.bytes},
                     {"first_step", slot.first_step},
                     {"last_step", slot.last_step}});
  return {{"arena_bytes", plan.arena_bytes}, {"weight_bytes", plan.weights.size()}, {"slots", slots}};
}

nlohmann::ordered_json machine_json(const NetworkProfile& p) {
  const Machine& m = p.machine;
  nlohmann::ordered_json counters;
  for (const auto& value : p.counters)
    counters[value.name] = value.count ? nlohmann::ordered_json(*value.count) : nlohmann::ordered_json("n/a");
  return {{"cpu", m.cpu.name},
          {"isa", to_string(m.isa)},
          {"clock_ghz", m.rates.clock},
          {"peak_gmac_per_s", {{"int8", m.peak_int8}, {"f32", m.peak_f32}}},
          {"loads_per_ns", m.rates.loads},
          {"stores_per_ns", m.rates.stores},
          {"cache_bytes", {{"l1d", m.cpu.l1d_bytes}, {"l2", m.cpu.l2_bytes}, {"l3", m.cpu.l3_bytes}}},
          {"copy_gb_per_s", {{"l1", m.copy.l1}, {"l2", m.copy.l2}, {"l3", m.copy.l3}, {"memory", m.copy.memory}}},
          {"counters", counters},
          {"counters_remark", p.counters_remark}};
}

}  // namespace

std::string profile_table(const NetworkProfile& p) {
  std::string text = cat(layer_table(p), "\n", operator_table(p), "\n", kernels_and_reasons(p), "\n");
  text += cat("a run takes ", fixed(p.plain_ms, 3), " ms, instrumented ", fixed(p.instrumented_ms, 3), " (",
              fixed(100 * p.perturbation(), 1), " % more); the layers explain ", fixed(100 * p.explained, 1),
              " %; medians of ", p.runs, " runs of each kind\n");
  return text + machine_lines(p);
}

nlohmann::ordered_json profile_json(const NetworkProfile& p, const Model& model, const std::string& path) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array(), operators = nlohmann::ordered_json::array();
  for (const LayerProfile& l : p.layers) layers.push_back(layer_json(p, l));
  for (const auto& [name, op] : by_operator(p))
    operators.push_back({{"op", name},
                         {"steps", op.count},
                         {"ms", op.ms},
                         {"share", op.share},
                         {"gmac", op.gmac},
                         {"bytes", op.bytes}});
  const auto sha256 = model_sha256(path);
  return {{"model", path},
          {"model_sha256", sha256.ok() ? *sha256 : ""},
          {"precision", model.is_int8() ? "int8" : "f32"},
          {"streams", p.settings.streams},
          {"threads", p.settings.threads},
          {"runs", p.runs},
          {"ms", p.plain_ms},
          {"runs_ms", p.runs_ms},
          {"instrumented_ms", p.instrumented_ms},
          {"perturbation", p.perturbation()},
          {"explained", p.explained},
          {"other_load", p.other_load},
          {"warnings", p.warnings()},
          {"gmac", model.gmac()},
          {"gmac_executed", model.gmac_executed()},
          {"compile_ms", model.plan().compile_ms},
          {"machine", machine_json(p)},
          {"host", host_json()},
          {"operators", operators},
          {"layers", layers},
          {"memory", memory_json(model.plan())}};
}

std::string profile_trace(const NetworkProfile& p, const Model& model) {
  nlohmann::ordered_json events = nlohmann::ordered_json::array();
  auto track = [&](size_t stream, int thread) { return static_cast<int>(stream) * p.settings.threads + thread; };
  StepTimes::Part first{};
  for (const auto& parts : p.parts)
    for (const StepTimes::Part& part : parts)
      if (first.begin == run::StepObserver::Time() || part.begin < first.begin) first = part;
  auto microseconds = [](auto duration) { return std::chrono::duration<double, std::micro>(duration).count(); };
  for (size_t stream = 0; stream < p.parts.size(); ++stream) {
    for (int thread = 0; thread < p.settings.threads; ++thread)
      events.push_back({{"name", "thread_name"},
                        {"ph", "M"},
                        {"pid", 1},
                        {"tid", track(stream, thread)},
                        {"args", {{"name", cat("stream ", stream, ", thread ", thread)}}}});
    for (const StepTimes::Part& part : p.parts[stream]) {
      const run::StepInfo& info = model.plan().steps[part.step]->info;
      events.push_back({{"name", info.name},
                        {"cat", info.op},
                        {"ph", "X"},
                        {"pid", 1},
                        {"tid", track(stream, part.thread)},
                        {"ts", microseconds(part.begin - first.begin)},
                        {"dur", microseconds(part.end - part.begin)},
                        {"args", {{"step", part.step}, {"kernel", info.kernel}, {"gmac", info.gmac_executed}}}});
    }
  }
  return json_text({{"traceEvents", events}, {"displayTimeUnit", "ms"}}) + "\n";
}

}  // namespace quadlane::tools
